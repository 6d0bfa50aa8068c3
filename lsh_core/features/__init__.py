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
``quiet_start``     that TensorFlow is imported without its messages
==================  =================================================================

Nothing is imported here, and TensorFlow only inside functions: `airlsh --help`, a DAG file and a search that
does not encode never wait for it.
"""
