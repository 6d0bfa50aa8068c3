"""Features: encodes texts and images as vectors.

======================  =============================================================
module                  subject
======================  =============================================================
``encoder``             protocol of an encoder
``specification``       settings that make an encoder again, in any process
``registry``            register of encoders; one of each per process
``template``            text of a row
``template_values``     values of columns as text
``decoding``            pixels of an image
``text``                text encoder: BERT and its family
``image``               image encoder: an architecture of Keras, or a custom model
``clip``                encoder of texts and images into one space
``architectures``       architectures of Keras
``custom_encoder``      loading and checks of custom encoders
``custom_model``        loading of custom models
``constant_weights``    weights as constants of a network
``tokens``              numbers of tokens for a network
``batches``             batches that fit a device
``weights``             location and fingerprint of weights
``model_config_files``  configuration files beside a network
``devices``             device, threads and precision
``feature_source``      checked source of a run
``row_columns``         columns that are read, kept and encoded
``chunk_planning``      chunks and their keys
``row_reading``         rows of a chunk
``image_loading``       bytes of an image, by row, file or pointer
``public_http``         download from public web servers
``encoding``            batches with rows that fail
``pipeline``            parallel steps of a worker
``chunk_files``         files of a chunk
``output_folder``       whole files on any filesystem
``manifest``            published content of an output folder
``shown_files``         files for other readers
``publishing``          replacement of a manifest, and deletion of retired files
``report_lines``        report of a run
======================  =============================================================

Nothing is imported here, and TensorFlow only inside functions: `airlsh --help`, a DAG file and a search that
does not encode never wait for it.
"""
