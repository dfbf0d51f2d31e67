import tensorflow as tf

from keras_vae._checks import count
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Config, Integer, Shape
from keras_vae.families._elementwise import ElementwiseFamily


@serializable
class Categorical(ElementwiseFamily):
    """Independent classes, given by their logits; the data are class codes, not one-hot vectors.

    The likelihood of categorical columns and of segmentations. (As a posterior it has samples
    without a gradient: train one with `RelaxedOneHotCategorical`.) Codes are the whole numbers 0,
    ..., num_classes - 1, in the floating type of the parameters; NaN is a missing code. Data that
    is no code has the log-likelihood minus infinity. The logits of one entry are side by side: a
    network's output is reshaped to `(..., *event_shape, num_classes)`.

        log p(x) = sum_i logits_i[x_i] - log sum_k exp(logits_i[k])                     [nats]

    The mean of the distribution is that of the codes, which is no code; `point_estimate` is the
    most probable one. Samples have no gradient.

    Args:
        event_shape: Integer or tuple. Shape of one event, of codes.
        num_classes: Integer, at least 2.

    Shapes:
        params: `(..., *event_shape[:-1], event_shape[-1] * num_classes)`.
        samples: `(..., *event_shape)`, float.

    Raises:
        TypeError: If `num_classes` is no integer.
        ValueError: If `num_classes` is below 2, or `params` has another shape.

    Reference:
        Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017.

    Example:
        >>> import tensorflow as tf
        >>> family = Categorical(2, num_classes=3)
        >>> family.point_estimate(tf.constant([[0.0, 0.0, 5.0, 5.0, 0.0, 0.0]])).numpy()
        array([[2., 0.]], dtype=float32)
    """

    parameter_names = ("logits",)
    integers = True

    def __init__(self, event_shape: Shape, num_classes: Integer) -> None:
        super().__init__(event_shape)
        self.num_classes = count(num_classes, "num_classes", "Categorical", minimum=2)

    @property
    def support(self) -> tuple[float, float]:
        return (0.0, self.num_classes - 1.0)

    def _parameter_sizes(self, size):
        return (size * self.num_classes,)

    def _elements(self, logits):
        return tfd.Categorical(logits=self._by_class(logits), dtype=logits.dtype)

    def _log_prob_elements(self, x, logits):
        # TensorFlow's sparse cross-entropy fails for codes outside of the range, and needs a
        # copy of the codes for each sample of the latent.
        chosen = tf.one_hot(tf.cast(x, tf.int32), self.num_classes, dtype=logits.dtype)
        return tf.reduce_sum(chosen * tf.nn.log_softmax(self._by_class(logits)), axis=-1)

    def _point_estimate(self, logits):
        return self._elements(logits).mode()

    def _expectation(self, x, missing, logits):
        del x, missing
        return tf.nn.softmax(self._by_class(logits))

    def _event_of(self, expectation):
        return tf.cast(tf.argmax(expectation, axis=-1), expectation.dtype)

    def _by_class(self, logits):
        shape = tf.concat([tf.shape(logits)[:-1], [self.event_shape[-1], self.num_classes]], 0)
        static = (*logits.shape[:-1], self.event_shape[-1], self.num_classes)
        return tf.ensure_shape(tf.reshape(logits, shape), static)

    def get_config(self) -> Config:
        return {**super().get_config(), "num_classes": self.num_classes}
