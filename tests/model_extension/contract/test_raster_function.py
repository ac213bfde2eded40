"""The raster function of a built package: phases, what it asks for and what it announces."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from model_extension.clipseg.contract.legend import class_colors
from model_extension.common.device import choose_device
from model_extension.common.errors import DeviceError
from tests.support.raster_calls import SCALARS, function, noise, update
from tests.support.tiny_clipseg import load_function

# -- the phases ------------------------------------------------------------------------------------

VALIDATION = """
import importlib.util, json, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
emd, model = sys.argv[1], sys.argv[2]
folder = emd.rpartition("/")[0]
spec = importlib.util.spec_from_file_location("CLIPSegClassifier", folder + "/CLIPSegClassifier.py")
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
instance = module.CLIPSegClassifier()
instance.initialize()
assert [p["name"] for p in instance.getParameterInfo()][:2] == ["raster", "model"]
instance.initialize(model=model, padding="3", processorType="CPU")
parameters = instance.getParameterInfo()
instance.getConfiguration(**{p["name"]: p.get("value") for p in parameters})
instance.updateRasterInfo(raster_info={}, output_info={})
assert "torch" not in sys.modules and "arcpy" not in sys.modules
kinds = {name[len(folder):].rpartition(".")[2] for name in opened if name.startswith(folder)}
print(json.dumps([sorted(kinds), len(parameters)]))
"""


@pytest.mark.parametrize("as_text", [False, True])
def test_validation_touches_nothing_but_the_definition(
    emd: Path, tmp_path: Path, as_text: bool
) -> None:
    folder = tmp_path / "package"
    shutil.copytree(emd.parent, folder)
    for name in ("model.safetensors", "vocab.json", "merges.txt", "manifest.json"):
        (folder / name).unlink()
    copy = folder / emd.name
    model = copy.read_text() if as_text else str(copy)
    result = subprocess.run(
        [sys.executable, "-c", VALIDATION, str(copy), model],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    kinds, parameters = json.loads(result.stdout)
    # Python itself looks for bytecode of the module it was asked for; ours has none.
    assert set(kinds) - {"pyc"} <= {"py", "emd"}
    assert parameters == 20
    assert not (folder / "clipseg" / "__pycache__").exists()


def test_the_definition_as_text_runs_from_the_packages_own_folder(emd: Path) -> None:
    text, path = (load_function(emd).CLIPSegClassifier() for _ in range(2))
    text.initialize(model=emd.read_text(), device=-1)
    path.initialize(model=str(emd), device="-1", batch_size="4")
    block = noise(3, 48, 48)
    for instance in (text, path):
        instance.getConfiguration(**SCALARS)
    assert (update(text, block)[0] == update(path, block)[0]).all()


def test_a_run_checks_the_weights_at_once(emd: Path, tmp_path: Path) -> None:
    folder = tmp_path / "package"
    shutil.copytree(emd.parent, folder)
    instance = load_function(folder / emd.name).CLIPSegClassifier()
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])
    instance.initialize(model=str(folder / emd.name))
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        instance.initialize(model=str(folder / emd.name), device=-1)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="no such file"):
        instance.initialize(model=str(folder / emd.name), device=-1)
    (folder / "model.safetensors").write_bytes(whole)
    content = json.loads(emd.read_text())
    content["CLIPSeg"]["Network"]["reduce_dim"] = 32
    with pytest.raises(ValueError, match=r"film_mul\.weight' has shape \[16, 24\]"):
        instance.initialize(model=json.dumps(content), device=-1)


def test_methods_out_of_order_say_which_call_is_missing(emd: Path) -> None:
    instance = load_function(emd).CLIPSegClassifier()
    assert isinstance(instance.name, str)
    assert isinstance(instance.description, str)
    instance.initialize()
    assert instance.updateKeyMetadata((), -1, a=1) == {"a": 1}
    with pytest.raises(RuntimeError, match="initialize was not called with a model"):
        instance.getConfiguration(**SCALARS)
    instance.initialize(model=str(emd), device=-1)
    instance.getConfiguration(**SCALARS)
    instance.initialize(model=str(emd), device=-1)  # arguments of before do not count any more
    with pytest.raises(RuntimeError, match="getConfiguration was not called"):
        instance.updateRasterInfo(output_info={})
    with pytest.raises(RuntimeError, match="getConfiguration was not called"):
        update_raw = instance.updatePixels
        update_raw((0, 0), (1, 8, 8), {"pixelType": "u1"}, raster_pixels=noise(3, 8, 8))


@pytest.mark.parametrize("device", [-1, "-1", -1.0, -2, -7, "", None])
def test_devices_that_are_there(emd: Path, device: Any) -> None:
    instance = load_function(emd).CLIPSegClassifier()
    instance.initialize(model=str(emd), device=device)
    instance.getConfiguration(**SCALARS)
    assert update(instance, noise(3, 32, 32))[0].shape == (1, 32, 32)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
@pytest.mark.parametrize("device", [0, "0", 3])
def test_devices_that_are_not_there(emd: Path, device: Any) -> None:
    instance = load_function(emd).CLIPSegClassifier()
    with pytest.raises(ValueError, match=r"graphics card \d was asked for .* processor \(-1\)"):
        instance.initialize(model=str(emd), device=device)
    with pytest.raises(ValueError, match="device is 'gpu'; it must be a number"):
        instance.initialize(model=str(emd), device="gpu")


def test_the_choice_of_a_graphics_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda card: ((5, 9, 7)[card], 10))
    chosen = {number: str(choose_device(number)) for number in (-7, -2, -1, 0, 2)}
    assert chosen == {-7: "cpu", -2: "cuda:1", -1: "cpu", 0: "cuda:0", 2: "cuda:2"}
    with pytest.raises(DeviceError, match=r"graphics card 3 was asked for .* sees 3"):
        choose_device(3)
    monkeypatch.delattr(torch.cuda, "mem_get_info")  # torch before 1.11
    assert str(choose_device(-2)) == "cuda:0"


def test_without_torch(emd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = load_function(emd).CLIPSegClassifier()
    name = instance.initialize.__globals__["clipseg"].__name__
    root = name.partition(".")[0]
    for module in [m for m in sys.modules if m.startswith(root + ".") or m == "torch"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "torch", None)
    instance.initialize(model=str(emd))
    with pytest.raises(ValueError, match=r"PyTorch cannot be loaded .* deep learning libraries"):
        instance.initialize(model=str(emd), device=-1)


# -- what it asks for and announces ----------------------------------------------------------------


def test_configuration(emd: Path) -> None:
    instance = load_function(emd).CLIPSegClassifier()
    instance.initialize(model=str(emd), device=-1)
    answer = instance.getConfiguration(**SCALARS)
    assert type(answer) is dict
    assert answer == {
        "extractBands": (0, 1, 2),
        "padding": 42,  # a tile, a quarter of one that it may move, and two pixels
        "tx": 2048,
        "ty": 2048,
        "fixedTileSize": 1,
        "batch_size": 4,
        "dataRange": (0, 255),
        "inheritProperties": 4 | 8,
        "invalidateProperties": 2 | 4,
        "inputMask": True,
    }
    for key in ("padding", "tx", "ty", "fixedTileSize", "batch_size"):
        assert type(answer[key]) is int
    # Once more, with other arguments, and then with none at all.
    again = instance.getConfiguration(text_prompt="roof", tile_size=64, padding=0, batch_size=20)
    assert (again["tx"], again["padding"], again["batch_size"]) == (2048, 82, 16)
    assert instance.arguments.prompts == ("roof",)
    defaults = instance.getConfiguration()
    assert (defaults["tx"], defaults["padding"]) == (2048, 82)
    assert instance.arguments.prompts == ("water",)


def test_description_of_classes(emd: Path) -> None:
    prompts = ("water", "a children's roof", "水田", "🌳")
    instance = function(emd, text_prompt=", ".join(prompts))
    for _ in range(2):  # "each time the dataset is initialized"
        given: dict[str, Any] = {
            "raster_info": {"bandCount": 3},
            "output_info": {"bandCount": 3, "pixelType": "u2", "cellSize": (1, 1)},
            "text_prompt": "whatever",
        }
        answer = instance.updateRasterInfo(**given)
        info = answer["output_info"]
        assert (info["bandCount"], info["pixelType"]) == (1, "u1")
        assert (info["statistics"], info["histogram"]) == ((), ())
        assert info["cellSize"] == (1, 1)
        assert info["noData"].tolist() == [255]
        table = json.loads(info["rasterAttributeTable"])
        rows = [feature["attributes"] for feature in table["features"]]
        assert [(row["Value"], row["Class"]) for row in rows] == list(enumerate(prompts, 1))
        colors = [(row["Red"], row["Green"], row["Blue"]) for row in rows]
        assert colors == [tuple(color) for color in class_colors(prompts)]
        assert answer["raster_info"] == {"bandCount": 3}
        assert answer["text_prompt"] == "whatever"


def test_description_of_probabilities(bands: Any) -> None:
    info = bands.updateRasterInfo(output_info={"bandCount": 1})["output_info"]
    assert (info["bandCount"], info["pixelType"]) == (3, "f4")
    assert info["noData"].tolist() == [-1, -1, -1]
    assert "rasterAttributeTable" not in info


def test_key_metadata(classes: Any, bands: Any) -> None:
    assert classes.updateKeyMetadata((), -1, datatype="x", other=1) == {
        "datatype": "Thematic",
        "other": 1,
    }
    assert classes.updateKeyMetadata((), 0, bandname="x") == {"bandname": "x"}
    assert bands.updateKeyMetadata(("datatype",), -1)["datatype"] != "Thematic"
    names = [bands.updateKeyMetadata((), band).get("bandname") for band in range(-2, 5)]
    assert names == [None, None, "water", "trees", "Ödland", None, None]
