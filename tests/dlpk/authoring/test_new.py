"""A model of one's own goes from its file into a folder, a package and a classified raster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlpk
from dlpk.authoring.new import Made, new
from dlpk.authoring.templates import from_template
from dlpk.errors import AuthoringError
from dlpk.testing.behaviour import check_run
from model_extension.pixelwise.network import load
from tests.support import networks
from tests.support.networks import Pixels
from tests.support.runs import make_raster

NAMES = "background,water,forest,road"


@pytest.fixture(scope="module")
def network() -> Pixels:
    return Pixels()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, network: Pixels) -> Made:
    folder = tmp_path_factory.mktemp("new")
    model = networks.torchscript(folder / "net.pt", network)
    return new(folder / "lakes", model=model, classes=NAMES, tile=64)


def pixels(shape: tuple[int, int, int] = (3, 150, 201), dtype: str = "u1") -> np.ndarray:
    return np.random.default_rng(5).integers(0, 255, shape).astype(dtype)


def called_directly(network: torch.nn.Module, values: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        logits = network(torch.from_numpy(values.astype(np.float32) / 255)[None])[0]
    return np.asarray(logits.softmax(0))


def test_folder_passes_all_checks(made: Made) -> None:
    report = dlpk.validate(made.folder)
    assert report.to_text().splitlines() == ["0 errors, 0 warnings, 0 notes"]
    report = check_run(made.folder, blocks=8)
    assert not [finding for finding in report if finding.severity.value != "note"], report.to_text()


def test_raster_equals_the_model_called_directly(
    made: Made, network: Pixels, tmp_path: Path
) -> None:
    values = pixels()
    raster = make_raster(tmp_path / "scene.tif", values)
    package = dlpk.pack(made.folder, tmp_path / "lakes.dlpk", golden=raster)
    assert dlpk.test(package.path, device="cpu").status == "passed"
    expected = called_directly(network, values)
    with dlpk.open(package.path, device="cpu") as model:
        labels, mask = model.predict(values)
        chances = model.predict(values, arguments={"return_probability_raster": "True"})
    assert mask.all()
    np.testing.assert_allclose(chances.labels, expected, atol=1e-4)
    assert (labels == expected.argmax(0)).mean() > 0.999  # of equal chances rounding decides
    assert chances.names == tuple(NAMES.split(","))


def probabilities(folder: Path, values: np.ndarray) -> np.ndarray:
    with dlpk.open(folder, device="cpu", say=lambda level, text: None) as model:
        return np.asarray(
            model.predict(values, arguments={"return_probability_raster": "True"}).labels
        )


@pytest.mark.parametrize("fixed", [False, True])
def test_onnx(tmp_path: Path, network: Pixels, fixed: bool) -> None:
    pytest.importorskip("onnxruntime")
    model = networks.onnx(tmp_path / "net.onnx", network, fixed=fixed)
    made = new(tmp_path / "lakes", model=model, classes=NAMES, tile=64)
    values = pixels((3, 90, 70))
    found = probabilities(made.folder, values)
    np.testing.assert_allclose(found, called_directly(network, values), atol=1e-4)
    assert any("onnxruntime" in line for line in made.lines)


@pytest.mark.parametrize("kind", ["segformer", "upernet", "dpt", "mask2former"])
def test_transformers(tmp_path: Path, kind: str) -> None:
    """One tile, so that the network sees what it is called with directly."""
    model, call, side = networks.transformers_folder(tmp_path / kind, kind)
    made = new(tmp_path / "made", model=model, tile=side)
    assert made.difference is not None and made.difference <= 1e-4
    values = pixels((3, side, side))
    mean, std = (np.array(part)[:, None, None] for part in (networks.MEAN, networks.STD))
    with torch.no_grad():
        images = torch.from_numpy(((values / 255 - mean) / std).astype(np.float32))[None]
        scores = torch.nn.functional.interpolate(
            call(images), size=(side, side), mode="bilinear", align_corners=False
        )
    expected = scores.softmax(1)[0].numpy()
    np.testing.assert_allclose(probabilities(made.folder, values), expected, atol=1e-4)
    assert "water" in made.to_text()
    # ArcGIS Pro to 3.2 has torch 1.8, which does not know it.
    exported: Any = load(str(made.folder / "model.pt"), torch.device("cpu"))
    graph = exported.inlined_graph
    assert "scaled_dot_product_attention" not in str(graph)
    # No tensor is bound to the device that the export was made on.
    constants = graph.findAllNodes("prim::Constant")
    devices = [node for node in constants if node.output().type().kind() == "DeviceObjType"]
    assert not [node for node in devices if list(node.output().uses())]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no model of a known kind"),
        ({"config.json": "{"}, "config.json cannot be read"),
        ({"config.json": '{"model_type": "segformer"}'}, "cannot be loaded"),
        ({"config.json": '{"model_type": "bert"}'}, "cannot be loaded"),
    ],
)
def test_folder_of_no_model(tmp_path: Path, files: dict[str, str], said: str) -> None:
    (tmp_path / "model").mkdir()
    for name, text in files.items():
        (tmp_path / "model" / name).write_text(text)
    with pytest.raises(dlpk.DlpkError, match=said):
        new(tmp_path / "made", model=tmp_path / "model")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"classes": "water,forest"}, "2 classes are named"),
        ({}, "say what they are with --classes"),
        ({"classes": NAMES, "bands": [1, 2]}, "takes 3 bands"),
        ({"classes": NAMES, "bands": [0, 1, 2]}, "counted from 1"),
        ({"classes": NAMES, "tile": 100_000}, "from 1 to 4,096"),
        ({"classes": NAMES, "std": [0.0]}, "must be above 0"),
        ({"classes": NAMES, "ranges": [[5, 1]]}, "lowest and the highest"),
    ],
)
def test_what_does_not_fit(
    tmp_path: Path, network: Pixels, settings: dict[str, Any], said: str
) -> None:
    model = networks.torchscript(tmp_path / "net.pt", network)
    with pytest.raises(dlpk.DlpkError, match=said):
        new(tmp_path / "made", model=model, **{"tile": 64, **settings})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.pt"]


def test_sixteen_bits_and_one_output(tmp_path: Path) -> None:
    """Per-band ranges, chosen bands, a sigmoid, and a stride of 4."""
    network = Pixels(bands=2, outputs=1, stride=4)
    model = networks.torchscript(tmp_path / "net.pt", network, bands=2)
    made = new(
        tmp_path / "made",
        model=model,
        classes="water",
        bands=[4, 1],
        tile=64,
        ranges=[[0, 3000], [100, 4000]],
    )
    values = np.random.default_rng(3).integers(0, 4000, (4, 64, 64)).astype("u2")
    images = np.stack([values[3] / 3000, (values[0] - 100.0) / 3900]).astype(np.float32)
    with torch.no_grad():
        scores = torch.nn.functional.interpolate(
            network(torch.from_numpy(images)[None]), size=(64, 64), mode="bilinear"
        )
    expected = scores.sigmoid()[0, 0].numpy()
    found = probabilities(made.folder, values)
    np.testing.assert_allclose(found.reshape(64, 64), expected, atol=1e-4)


def test_smp_and_torchgeo(tmp_path: Path) -> None:
    """The same weights in either library's way of keeping them."""
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    network = smp.Unet("resnet18", encoder_weights=None, in_channels=4, classes=4).eval()
    network.save_pretrained(tmp_path / "smp")
    checkpoint = {
        "hyper_parameters": {
            "model": "unet",
            "backbone": "resnet18",
            "in_channels": 4,
            "num_classes": 4,
        },
        "state_dict": {f"model.{name}": part for name, part in network.state_dict().items()},
    }
    torch.save(checkpoint, tmp_path / "task.ckpt")
    values = pixels((4, 64, 64))
    with torch.no_grad():
        images = torch.from_numpy(values.astype(np.float32) / 255)[None]
        expected = network(images).softmax(1)[0].numpy()
    for model in ("smp", "task.ckpt"):
        made = new(tmp_path / f"of_{model[:3]}", model=tmp_path / model, classes=NAMES, tile=64)
        np.testing.assert_allclose(probabilities(made.folder, values), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("told", "activation"),
    [
        ({"num_classes": 4, "task": "multiclass"}, "softmax"),
        ({"num_labels": 4, "task": "multilabel"}, "sigmoid"),
        ({"num_outputs": 1}, "regression"),
    ],
)
def test_torchgeo_without_its_library(
    tmp_path: Path, told: dict[str, Any], activation: str
) -> None:
    """Its small network, of five convolutions, under the names that its checkpoints have."""
    torch.manual_seed(0)
    outputs = 1 if "num_outputs" in told else 4
    sizes = [(3, 5), (5, 5), (5, 5), (5, 5), (5, 5)]
    layers = [torch.nn.Conv2d(*size, 3, padding=1) for size in sizes]
    last = torch.nn.Conv2d(5, outputs, 1)
    weights = {
        f"model.{place}.{name}": part
        for place, layer in [
            *((f"backbone.{2 * i}", a) for i, a in enumerate(layers)),
            ("last", last),
        ]
        for name, part in layer.state_dict().items()
    }
    hyper_parameters = {"model": "fcn", "in_channels": 3, "num_filters": 5, **told}
    path = tmp_path / "task.ckpt"
    torch.save({"hyper_parameters": hyper_parameters, "state_dict": weights}, path)
    names = None if activation == "regression" else NAMES
    made = new(tmp_path / "made", model=path, classes=names, tile=64)
    assert f"outputs: {outputs}, {activation}" in made.to_text()
    values = pixels((3, 64, 64))
    with torch.no_grad():
        x = torch.from_numpy(values.astype(np.float32) / 255)[None]
        for layer in layers:
            x = torch.nn.functional.leaky_relu(layer(x))
        x = last(x)
    expected = {"softmax": x.softmax(1), "sigmoid": x.sigmoid(), "regression": x}[activation]
    with dlpk.open(made.folder, device="cpu") as model:
        given = {} if activation == "regression" else {"return_probability_raster": True}
        found = model.predict(values, arguments=given).labels
    np.testing.assert_allclose(found.reshape(outputs, 64, 64), expected[0].numpy(), atol=1e-4)


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code has run",)


@pytest.mark.parametrize("content", [{"state_dict": {}}, Code(), {"a": torch.zeros(1)}])
def test_weights_without_their_network(
    tmp_path: Path, content: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(dlpk.DlpkError, match="export the network as TorchScript"):
        new(tmp_path / "made", model=tmp_path / "weights.pth", classes=NAMES)
    assert "code has run" not in capsys.readouterr().out


@pytest.mark.parametrize("template", ["numpy", "torch", "onnx"])
def test_templates(tmp_path: Path, template: str) -> None:
    """What is written is clean, and passes the test that comes with it."""
    made = from_template(tmp_path / "bright", template)
    report = check_run(made.folder, blocks=4)
    assert {finding.rule for finding in report} == {"run/dialog-cost"}, report.to_text()
    names: dict[str, Any] = {"__file__": str(tmp_path / "test_bright.py")}
    exec((tmp_path / "test_bright.py").read_text(), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()
    with pytest.raises(dlpk.DlpkError, match="is there already"):
        from_template(tmp_path / "bright", template)


@pytest.mark.parametrize("name", ["class", "json", "numpy", "9lives"])
def test_names_that_are_taken(tmp_path: Path, name: str) -> None:
    made = from_template(tmp_path / name, "numpy")
    assert (made.folder / f"Model_{name}.py").is_file()
    with dlpk.open(made.folder, device="cpu") as model:
        assert (model.predict(pixels()).labels > 0).all()


@pytest.mark.filterwarnings("ignore")  # of torch, about its own libraries
@pytest.mark.parametrize("fixed", [False, True])
def test_exported(tmp_path: Path, network: Pixels, fixed: bool) -> None:
    sides = {place: torch.export.Dim(f"side{place}", min=16, max=4096) for place in (2, 3)}
    program = torch.export.export(
        network.eval(),
        (torch.zeros(1, 3, 64, 64),),
        dynamic_shapes=None if fixed else (sides,),
    )
    torch.export.save(program, tmp_path / "net.pt2")
    made = new(tmp_path / "lakes", model=tmp_path / "net.pt2", classes=NAMES)
    values = pixels((3, 100, 90))
    expected = called_directly(network, values)
    np.testing.assert_allclose(probabilities(made.folder, values), expected, atol=1e-4)
    assert ("no others" in made.lines[0]) == fixed
    (tmp_path / "net.pt2").write_bytes((tmp_path / "net.pt2").read_bytes()[:-2000])
    with pytest.raises(dlpk.DlpkError, match=r"net\.pt2"):
        new(tmp_path / "other", model=tmp_path / "net.pt2", classes=NAMES)


def test_onnx_with_weights_beside_it(tmp_path: Path, network: Pixels) -> None:
    """As `torch.onnx.export` writes larger networks; the folder does without the second file."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    path = networks.onnx(tmp_path / "net.onnx", network)
    whole = onnx.load(str(path))
    beside = {"location": "net.weights", "size_threshold": 0, "save_as_external_data": True}
    onnx.save(whole, str(path), **beside)
    assert (tmp_path / "net.weights").is_file()
    made = new(tmp_path / "made", model=path, classes=NAMES, tile=64)
    assert made.difference is not None and made.difference <= 1e-4
    (tmp_path / "net.weights").unlink()
    values = pixels()
    expected = called_directly(network, values)
    np.testing.assert_allclose(probabilities(made.folder, values), expected, atol=1e-4)
    with pytest.raises(AuthoringError, match=r"net.weights"):
        new(tmp_path / "again", model=path, classes=NAMES, tile=64)


def test_continuous_values_pass_all_checks(tmp_path: Path) -> None:
    model = networks.torchscript(tmp_path / "net.pt", Pixels(outputs=1))
    made = new(tmp_path / "heights", model=model, activation="regression", tile=64)
    assert dlpk.validate(made.folder).to_text().endswith("0 errors, 0 warnings, 0 notes")
