"""A SavedModel gives the numbers of the live model, without Keras and without this package."""

import os
import pathlib
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_vae import VAEModel, evaluation, families, priors
from keras_vae.models import _export

SIGNATURES = {
    "serving_default": {"reconstruction"},
    "encode": {"mean", "stddev"},
    "decode": {"mean"},
    "sample": {"sample", "mean"},
    "log_likelihood": {"log_prob", "standard_error", "effective_sample_size"},
}
SEED = np.array([3, 4], "int32")


def run(*command):
    process = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if process.returncode:
        pytest.fail(process.stderr[-3000:])
    return process.stdout


@pytest.fixture
def trained(build, data):
    model = build(
        posterior=families.MultivariateNormalTriL(2),
        likelihood=families.Normal(4, scale="learned"),
        prior=priors.TrainablePrior(families.MultivariateNormalDiag(2)),
    )
    model.compile(optimizer=keras.optimizers.Adam(0.1), run_eagerly=True)
    model.fit(data, epochs=2, verbose=0)
    return model


@pytest.fixture
def quick(monkeypatch):
    """Exports of one signature, for tests of files: tracing all of them takes seconds."""

    def served(model):
        module = tf.Module()
        module.state = [variable.value for variable in model.variables]
        x = tf.TensorSpec((None, 4), tf.float32, name="x")
        reconstruct = tf.function(lambda x: {"reconstruction": model(x)})
        return module, {"serving_default": reconstruct.get_concrete_function(x)}

    monkeypatch.setattr(_export, "_served", served)


def live(model, data, z, num_samples):
    posterior = model.encode(data)
    estimate = evaluation.log_likelihood(model, data, num_samples, seed=0)
    return {
        "serving_default/reconstruction": model.predict(data, verbose=0),
        "encode/mean": posterior.mean(),
        "encode/stddev": posterior.stddev(),
        "decode/mean": model.decode(z).mean(),
        "sample/sample": model.sample(num_samples, seed=tuple(SEED)),
        "sample/mean": model.sample(num_samples, seed=tuple(SEED), mean=True),
        "log_likelihood/log_prob": estimate.log_prob,
    }


def test_another_process_without_keras_gets_the_same_numbers(trained, data, tmp_path):
    directory = tmp_path / "served"
    trained.export(directory)
    z = np.float32([[0.0, 1.0], [2.0, 3.0], [-1.0, 0.5]])
    np.savez(tmp_path / "in.npz", x=data, z=z, num_samples=np.int32(3000), seed=SEED)
    script = pathlib.Path(__file__).with_name("served_script.py")
    run(sys.executable, script, directory, tmp_path / "in.npz", tmp_path / "out.npz")
    served = dict(np.load(tmp_path / "out.npz"))
    assert set(served) == {f"{name}/{key}" for name, keys in SIGNATURES.items() for key in keys}
    expected = live(trained, data, z, 3000)
    error = served["log_likelihood/standard_error"]
    for name, value in expected.items():
        if name == "log_likelihood/log_prob":
            # Other noise: two estimates, each with its own standard error.
            assert (np.abs(served[name] - value) < 4 * np.sqrt(2) * error).all()
        else:
            np.testing.assert_allclose(served[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    assert (error > 0).all()
    assert (served["log_likelihood/effective_sample_size"] <= 3000 * (1 + 1e-5)).all()


# Ten seconds to import TensorFlow, twice.
@pytest.mark.stress
def test_saved_model_cli_shows_and_runs_it(trained, data, tmp_path):
    directory = tmp_path / "served"
    trained.export(directory)
    cli = pathlib.Path(sys.executable).with_name("saved_model_cli")
    shown = run(cli, "show", "--dir", directory, "--all")
    for name, keys in SIGNATURES.items():
        assert f"signature_def['{name}']" in shown
        for key in keys:
            assert f"outputs['{key}']" in shown
    np.save(tmp_path / "x.npy", data)
    run(
        *(cli, "run", "--dir", directory, "--tag_set", "serve"),
        *("--signature_def", "serving_default", "--inputs", f"x={tmp_path / 'x.npy'}"),
        *("--outdir", tmp_path),
    )
    np.testing.assert_allclose(
        np.load(tmp_path / "reconstruction.npy"), trained.predict(data, verbose=0), rtol=1e-5
    )


def test_the_seed_decides_the_samples(trained, tmp_path):
    trained.export(tmp_path / "served")
    sample = tf.saved_model.load(str(tmp_path / "served")).signatures["sample"]
    a, b, c = (
        sample(num_samples=tf.constant(5), seed=tf.constant([seed, 0]))["sample"].numpy()
        for seed in (1, 1, 2)
    )
    assert a.shape == (5, 4)
    np.testing.assert_array_equal(a, b)
    assert (a != c).all()


def test_a_conditional_model(build, data, tmp_path):
    model = build(condition=3)
    condition = np.random.default_rng(1).normal(size=(12, 3)).astype("float32")
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures
    for name, signature in served.items():
        assert "condition" in signature.structured_input_signature[1], name
    x, c = tf.constant(data), tf.constant(condition)
    z = tf.ones((12, 2))
    np.testing.assert_allclose(
        served["serving_default"](x=x, condition=c)["reconstruction"],
        model.predict({"x": data, "condition": condition}, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )
    np.testing.assert_allclose(
        served["decode"](z=z, condition=c)["mean"], model.decode(z, c).mean(), rtol=1e-5, atol=1e-6
    )
    arguments = {"num_samples": tf.constant(12), "seed": tf.constant(SEED)}
    np.testing.assert_allclose(
        served["sample"](condition=c, **arguments)["sample"],
        model.sample(12, tuple(SEED), condition),
        rtol=1e-5,
        atol=1e-6,
    )


class Network(keras.Model):
    def __init__(self, units):
        super().__init__()
        self.last = keras.layers.Dense(units)

    def call(self, inputs):
        return self.last(inputs)


def test_networks_without_an_input(data, tmp_path):
    model = VAEModel(Network(4), Network(4), seed=1)
    with pytest.raises(ValueError, match=r"built before export\(\)"):
        model.export(tmp_path / "served")
    model.compile(run_eagerly=True)
    model.fit(data, verbose=0)
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    np.testing.assert_allclose(
        served(x=tf.constant(data))["reconstruction"], model(data), rtol=1e-5, atol=1e-6
    )


def test_half_precision_is_served_in_single(build, data, tmp_path):
    model = build(layer={"dtype": "mixed_float16"}, dtype="mixed_float16")
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    result = served(x=tf.constant(data))["reconstruction"]
    assert result.dtype == tf.float32
    np.testing.assert_allclose(result, model(data), rtol=1e-2, atol=1e-2)


@pytest.mark.usefixtures("quick")
def test_an_export_that_fails_leaves_what_was_there(build, data, tmp_path, monkeypatch):
    directory = tmp_path / "served"
    model = build()

    def fail(module, path, signatures):
        pathlib.Path(path, "half.pb").write_text("half")
        raise OSError("disk full")

    def listing():
        return sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*"))

    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", fail)
        with pytest.raises(OSError, match="disk full"):
            model.export(directory)
    assert listing() == []
    model.export(directory)
    before = listing()
    with monkeypatch.context() as patch:
        patch.setattr(tf.saved_model, "save", fail)
        with pytest.raises(OSError, match="disk full"):
            model.export(directory)
    assert listing() == before
    loaded = tf.saved_model.load(str(directory))
    np.testing.assert_allclose(
        loaded.signatures["serving_default"](x=tf.constant(data))["reconstruction"],
        model(data),
        rtol=1e-5,
        atol=1e-6,
    )


@pytest.mark.usefixtures("quick")
def test_an_exchange_that_fails_leaves_the_old_model(build, tmp_path, monkeypatch):
    directory = tmp_path / "served"
    build().export(directory)
    before = (directory / "saved_model.pb").read_bytes()
    rename, failures = pathlib.Path.rename, []

    def fail_once(self, target):
        # The new model cannot take the name; the old one gets it back.
        if target == directory and not failures:
            failures.append(target)
            raise OSError("no permission")
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "rename", fail_once)
        with pytest.raises(OSError, match="no permission"):
            build(weights_seed=1).export(directory)
    assert (directory / "saved_model.pb").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


@pytest.mark.usefixtures("quick")
def test_an_old_model_that_cannot_be_deleted_is_no_failure(build, data, tmp_path, monkeypatch):
    directory = tmp_path / "served"
    build().export(directory)

    def refuse(path, ignore_errors=False):
        if not ignore_errors:
            raise OSError("stale file handle")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    model = build(weights_seed=1)
    model.export(directory)
    served = tf.saved_model.load(str(directory)).signatures["serving_default"]
    result = served(x=tf.constant(data))["reconstruction"]
    np.testing.assert_allclose(result, model(data), rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("quick")
def test_foreign_files_are_not_deleted(build, tmp_path):
    (tmp_path / "precious.txt").write_text("thesis")
    with pytest.raises(ValueError, match=r"which holds other files. Take another path"):
        build().export(tmp_path)
    with pytest.raises(ValueError, match="expects a directory that may be written"):
        build().export(tmp_path / "precious.txt")
    assert (tmp_path / "precious.txt").read_text() == "thesis"


@pytest.mark.usefixtures("quick")
def test_overwrite(build, tmp_path):
    directory = tmp_path / "a" / "served"
    build().export(directory)
    with pytest.raises(ValueError, match=r"which exists. Take another path or overwrite=True"):
        build().export(directory, overwrite=False)
    build(weights_seed=1).export(str(directory))
    assert sorted(path.name for path in directory.parent.iterdir()) == ["served"]
    shutil.rmtree(directory)
    directory.mkdir()
    build().export(directory)
    assert (directory / "saved_model.pb").exists()
    # Others may read it, as any directory that one makes.
    (tmp_path / "plain").mkdir()
    assert directory.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_the_log_likelihood_of_a_plain_autoencoder_is_that_of_the_prior(build, data, tmp_path):
    model = build(posterior=families.Deterministic(2))
    model.export(tmp_path / "served")
    served = tf.saved_model.load(str(tmp_path / "served")).signatures["log_likelihood"]
    result = served(x=tf.constant(data), num_samples=tf.constant(5000), seed=tf.constant(SEED))
    expected = evaluation.log_likelihood(model, data, 5000, method="prior", seed=0)
    error = np.hypot(result["standard_error"], expected.standard_error)
    assert (np.abs(result["log_prob"] - expected.log_prob) < 4 * error).all()
    assert (error < 0.5).all()
