"""One step of an autoregressive flow: quick forwards, entry by entry backwards."""

import tensorflow as tf

# One step scales an entry by a factor between exp(-3) and exp(3).
_LOG_SCALE_LIMIT = 3.0


class AutoregressiveStep:
    """Scales and shifts each entry by what a network makes of those before it.

        y_i = x_i exp(log_scale_i) + shift_i,   shift_i, log_scale_i = network_i(x_1 ... x_(i-1))

    Args:
        network: Function from `(..., d)` to `(..., 2 d)`, shift and log-scale.
        order: The place of every entry in the order, `(d,)`.
    """

    def __init__(self, network, order):
        self._network, self._order = network, order

    def forward(self, x):
        """Returns y and the log-scales, both `(..., d)`, in one pass."""
        shift, log_scale = self._shift_and_log_scale(x)
        return x * tf.exp(log_scale) + shift, log_scale

    def log_scale(self, x):
        """Returns the log-scales of y(x), whose sum is log |det dy/dx|."""
        return self._shift_and_log_scale(x)[1]

    def inverse(self, y, x=None):
        """Returns x, with the gradients that the implicit function theorem gives.

            dx = J^-1 (dy - d_theta y(x)),   J = dy/dx

        The passes of the inversion are not differentiated: neither do they stay in memory, nor
        are they needed where x is known already.

        Args:
            y: `(..., d)`.
            x: The inverse of y if it is known, or None.
        """
        x = tf.stop_gradient(self._solve(tf.stop_gradient(y)) if x is None else x)
        scale = tf.exp(tf.stop_gradient(self.log_scale(x)))

        @tf.custom_gradient
        def solved(residual):
            return tf.zeros_like(residual), lambda upstream: self._pull_back(x, scale, upstream)

        return x + solved(y - self.forward(x)[0])

    def _solve(self, y):
        """Returns the x of this y: the k-th pass finds the k-th entry.

        Entries that are not found yet stay zero. An iteration of all of them at once may end
        earlier, but numbers that are still wrong grow from pass to pass, beyond all bounds.
        """

        def find(place, x):
            shift, log_scale = self._shift_and_log_scale(x)
            return place + 1, self._put(place, (y - shift) * tf.exp(-log_scale), x)

        last = len(self._order)
        return tf.while_loop(lambda place, _: place < last, find, (0, tf.zeros_like(y)))[1]

    def _pull_back(self, x, scale, upstream):
        """Returns the v with v J = upstream: J is triangular, and the last entry comes first."""

        def find(place, v):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(x)
                y, _ = self.forward(x)
            later = tape.gradient(y, x, output_gradients=v)
            return place - 1, self._put(place, (upstream - later) / scale, v)

        first = (len(self._order) - 1, tf.zeros_like(upstream))
        return tf.while_loop(lambda place, _: place >= 0, find, first)[1]

    def _put(self, place, new, old):
        return tf.where(tf.equal(tf.constant(self._order, tf.int32), place), new, old)

    def _shift_and_log_scale(self, x):
        shift, log_scale = tf.split(self._network(x), 2, axis=-1)
        return shift, _LOG_SCALE_LIMIT * tf.tanh(log_scale / _LOG_SCALE_LIMIT)
