"""TensorFlow Probability's modules, loaded when first used: they take seconds to import."""

import tensorflow_probability as tfp

tfb = tfp.bijectors
tfd = tfp.distributions
