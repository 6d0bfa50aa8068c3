"""Features: texts and images in, embeddings out.

==================  =================================================================
module              decides
==================  =================================================================
``encoder``         what every encoder can do
``specification``   what it takes to make an encoder again, in any process
``registry``        which encoders there are, and that a process makes each only once
``template``        which text stands for a row
``decoding``        how the bytes of an image become pixels
``text``            the text encoder: BERT and its family
``image``           the image encoder: an architecture of Keras, or a user's own model
``architectures``   which architectures of Keras there are
``own_model``       how a user's own model is loaded
``frozen``          that weights are constants
``clip``            the encoder for texts and images in one space
``tokens``          how texts become numbers for a network
``batches``         how many rows go through a network at once
``weights``         which weights these are, and what to say when they are not there
``devices``         where a network runs, with how many threads, in which precision
``feature_source``  what there is to encode, checked before any work is done
``archives``        how images are read out of zip and tar
``chunk_planning``  which rows are one chunk, and by which key its files are found again
``work``            what a worker is told to do
``row_reading``     how the rows of a chunk are read, whatever they lie in
``image_loading``   where the bytes of an image may come from
``public_http``     which web servers are asked for images
``encoding``        which rows get no vector, where an encoder fails
``pipeline``        how reading, decoding, encoding and writing go on at the same time
``chunk_files``     what the files of a chunk hold, and when it is done
``output_folder``   how files appear whole or not at all
``manifest``        what a folder of features holds
``shown_files``     what other readers find in it
``publishing``      how one run's features take the place of another's
``report_lines``    what a run tells people
==================  =================================================================

Nothing is imported here, and TensorFlow only inside functions: `airlsh --help`, a DAG file and a search that
does not encode never wait for it.
"""
