import tensorflow as tf

from keras_vae._checks import choice, distributions, samples
from keras_vae._tfp import tfd
from keras_vae._types import Array, Method

METHODS = ("auto", "exact", "monte_carlo")


def kl_divergence(
    q: tfd.Distribution, p: tfd.Distribution, z: Array | None = None, method: Method = "auto"
) -> tf.Tensor:
    """Returns KL(q || p), exact or estimated from samples of q.

    The closed form is taken where TFP registers one for the two classes. The Monte Carlo
    estimate is unbiased for samples of `q`; a single estimate can be negative. The forward KL of
    variational inference is `kl_divergence(p, q)`.

        KL(q || p) = E_q[log q(z) - log p(z)]                                           [nats]
        estimate   = mean over S of log q(z_s) - log p(z_s),  z_s ~ q

    Args:
        q: A `tfd.Distribution`, samples of which are weighed.
        p: A `tfd.Distribution` with the same event shape.
        z: Samples of `q` with or without a first axis of samples. Needed where the estimate is
            taken. Defaults to None.
        method: "exact", "monte_carlo", or "auto" for exact where possible. Defaults to "auto".

    Shapes:
        q, p: batch shape `(B,)` or `()`.
        z: `(S, B, *event_shape)` or `(B, *event_shape)`.
        returns: `(B,)`.

    Raises:
        TypeError: If `q` or `p` is no distribution, or `z` no numbers.
        ValueError: If `method` is unknown, if the event shapes differ, if there is no closed form
            for "exact", or if samples are needed and `z` is None or of another shape.

    Reference:
        Kullback and Leibler, "On Information and Sufficiency", 1951.

    Example:
        >>> from keras_vae.families import MultivariateNormalDiag
        >>> family = MultivariateNormalDiag(1)
        >>> kl_divergence(family([[[1.0]], [[0.0]]]), family([[[0.0]], [[0.0]]])).numpy()
        array([0.5], dtype=float32)
    """
    choice(method, "method", "kl_divergence", METHODS)
    distributions(q, p, "kl_divergence")
    if method != "monte_carlo":
        try:
            return tfd.kl_divergence(q, p)
        except NotImplementedError:
            if method == "exact":
                raise ValueError(
                    "kl_divergence expects a pair of distributions with a closed form. "
                    f"Received: q={_kind(q)}, p={_kind(p)} with method='exact'. "
                    "Take method='auto' or 'monte_carlo' and give samples z of q."
                ) from None
    if z is None:
        raise ValueError(
            "kl_divergence expects samples of q where it has no closed form to use. "
            f"Received: z=None for q={_kind(q)}, p={_kind(p)} with method={method!r}. "
            "Give z=q.sample(num_samples, seed=seed)."
        )
    z = samples(z, "z", "kl_divergence", q)
    log_ratio = q.log_prob(z) - p.log_prob(z)
    if log_ratio.shape.rank > max(q.batch_shape.rank, p.batch_shape.rank):
        return tf.reduce_mean(log_ratio, axis=0)
    return log_ratio


def _kind(distribution):
    name = type(distribution).__name__.lstrip("_")
    if isinstance(distribution, tfd.Independent):
        return f"{name}({_kind(distribution.distribution)})"
    return name
