"""How a model shows itself: `summary`, and a graph for `plot_model`."""

import keras
import numpy as np
import pytest

from keras_vae import VAEModel, families, priors


def summary_of(model, **arguments):
    texts = []
    model.summary(print_fn=texts.append, **arguments)
    return "\n".join(texts)


def test_a_summary_says_which_distributions_the_networks_give(build):
    model = build(posterior=families.MultivariateNormalDiag(2))
    assert "Objective" not in summary_of(model)
    model.compile(objective="elbo")
    lines = summary_of(model).splitlines()
    encoder, decoder = model.encoder.name, model.decoder.name
    assert any(encoder in line and "(None, 4)" in line for line in lines)
    assert lines[-4:] == [
        f" Posterior q(z|x): MultivariateNormalDiag(event_shape=(2,)), from {encoder!r}",
        f" Likelihood p(x|z): Normal(event_shape=(4,), scale=1.0), from {decoder!r}",
        " Prior p(z): StandardNormal(event_shape=(2,))",
        " Objective: ELBO(beta=1.0, free_nats=0.0, capacity=None, num_samples=1)",
    ]


def test_a_summary_is_printed_with_its_layers(build, capsys):
    build().summary(expand_nested=True)
    printed = capsys.readouterr().out
    assert "Total params" in printed
    assert "Dense" in printed
    assert printed.endswith(" Prior p(z): StandardNormal(event_shape=(2,))\n")


def test_a_summary_before_the_data_are_known():
    layers = [keras.Sequential([keras.layers.Dense(4)]) for _ in range(2)]
    text = summary_of(VAEModel(*layers))
    assert "'multivariate_normal_diag'" in text
    assert "Prior p(z): StandardNormal, of the shape of the posterior" in text


@pytest.mark.parametrize("condition", [0, 3])
def test_the_functional_model_is_the_path_of_one_sample(build, data, condition):
    model = build(condition=condition)
    graph = model.as_functional()
    inputs = [data, np.ones((12, 3), "float32")] if condition else data
    reconstructed = model({"x": data, "condition": inputs[1]} if condition else data)
    # The posterior is a point and the likelihood's mean its parameter: no noise.
    np.testing.assert_allclose(graph(inputs), reconstructed, rtol=1e-6)
    assert [layer.name for layer in graph.layers if layer.name == "z"] == ["z"]
    assert graph.trainable_variables[0] is model.encoder.trainable_variables[0]


def test_the_functional_model_draws_its_latents(build, data):
    graph = build(posterior=families.MultivariateNormalDiag(2)).as_functional()
    assert np.abs(graph(data) - graph(data)).min() > 0


def test_plot_model_draws_the_networks(build):
    model = build()
    dot = keras.utils.model_to_dot(model.as_functional(), show_shapes=True)
    text = dot.to_string()
    for name in (model.encoder.name, "z", model.decoder.name):
        assert name in text


def test_a_graph_needs_networks_that_know_their_inputs(data):
    model = VAEModel(*(keras.Sequential([keras.layers.Dense(4)]) for _ in range(2)), seed=1)
    with pytest.raises(ValueError, match="to be built before as_functional"):
        model.as_functional()

    class Network(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(4)

        def call(self, x):
            return self.dense(x)

    model = VAEModel(Network(), Network(), prior=priors.StandardNormal(2))
    model(data)
    with pytest.raises(ValueError, match=r"expects networks that know .* Received: encoder=<Net"):
        model.as_functional()
