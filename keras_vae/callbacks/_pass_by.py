"""The data of an epoch that an interrupted run has trained on, in the run that goes on."""

import tensorflow as tf

from keras_vae._inputs import without_optionals
from keras_vae.callbacks._variables import assign_values, has_all_metrics


def pass_by(model, executions, values):
    """Lets `fit` run so many executions of steps that read their data and do not train.

    After each of them the variables have these values again, whatever other callbacks did.
    """
    # One that is there still was interrupted itself.
    train = getattr(model.train_function, "train", model.train_function)
    left = executions

    def read(iterator):
        nonlocal left
        batches = [next(iterator, None) for _ in range(model.steps_per_execution)]
        if not has_all_metrics(model, values):
            # A trace makes the variables of metrics, and changes none.
            trace = tf.function(model.test_step, autograph=False).get_concrete_function
            trace(without_optionals(batches[0]))
        assign_values(model, values)
        left -= 1
        if not left:
            model.train_function = train
        return model.get_metrics_result()

    read.train = train
    model.train_function = read
