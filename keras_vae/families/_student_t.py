import tensorflow as tf

from keras_vae._checks import number
from keras_vae._numerics import LOG_VARIANCE_LIMIT, bounded
from keras_vae._registry import serializable
from keras_vae._tfp import tfd
from keras_vae._types import Config, Number, Shape
from keras_vae.families._elementwise import ElementwiseFamily


@serializable
class StudentT(ElementwiseFamily):
    """Independent entries with heavy tails: outliers in the data pull the network only weakly.

    Few degrees of freedom mean heavy tails; 1 is the Cauchy distribution, and many approach the
    normal distribution.

        params = [loc, log_scale],  y_i = (x_i - loc_i) / scale_i
        log p(x) = sum_i -(df + 1)/2 log(1 + y_i^2 / df) - log_scale_i + log C(df)      [nats]

    The log-scale is held in [-10, 10]; outside, its gradient still leads back. The mean of the
    distribution is NaN for `df <= 1` and the variance infinite for `df <= 2`; `point_estimate`
    is `loc` for every `df`.

    Args:
        event_shape: Integer or tuple. Shape of one event.
        df: Number of at least 0.1. Degrees of freedom of every entry. Defaults to 4.0.

    Shapes:
        params: `(..., *event_shape[:-1], 2 * event_shape[-1])`, or a list of two tensors.
        samples: `(..., *event_shape)`.

    Raises:
        TypeError: If `df` is no number.
        ValueError: If `df` is below 0.1 or infinite, or `params` has another shape.

    Reference:
        Takahashi et al., "Student-t Variational Autoencoder for Robust Density Estimation",
        2018.

    Example:
        >>> import tensorflow as tf
        >>> StudentT(1, df=1).log_likelihood([[0.0]], tf.zeros((1, 2))).numpy().round(3)
        array([-1.145], dtype=float32)
    """

    parameter_names = ("loc", "log_scale")

    def __init__(self, event_shape: Shape, df: Number = 4.0) -> None:
        super().__init__(event_shape)
        self.df = number(df, "df", "StudentT", minimum=0.1)

    def _elements(self, loc, log_scale):
        scale = tf.exp(bounded(log_scale, LOG_VARIANCE_LIMIT / 2))
        return tfd.StudentT(tf.constant(self.df, loc.dtype), loc, scale)

    def _point_estimate(self, loc, log_scale):
        del log_scale
        return loc

    def get_config(self) -> Config:
        return {**super().get_config(), "df": self.df}
