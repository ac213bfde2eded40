"""What the Python of each ArcGIS Pro can import, as far as it is known.

Three kinds of modules: the standard library, what ArcGIS Pro itself brings, and what the deep
learning libraries installer adds to it. The last is documented release by release (the manifests
in the README of Esri/deep-learning-frameworks); those labelled 3.0 and 3.2 are taken for 3.0 to
3.1 and for 3.2, as their own version numbers leave that open.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

__all__ = [
    "BASE",
    "PRO",
    "PYTHON",
    "SHIPPED",
    "VERSIONS",
    "Shipped",
    "lacking",
    "listed_versions",
    "older_python",
    "standard_library",
]

PRO: Final = ("3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7")
"""The releases that packages are judged for."""

# 3.5 and 3.6 are documented; the others are what is commonly known, not verified.
PYTHON: Final[dict[str, tuple[int, int]]] = {
    "3.0": (3, 9),
    "3.1": (3, 9),
    "3.2": (3, 9),
    "3.3": (3, 11),
    "3.4": (3, 11),
    "3.5": (3, 11),
    "3.6": (3, 13),
    "3.7": (3, 13),
}
"""Python of each release."""

VERSIONS: Final[dict[str, dict[str, tuple[int, ...]]]] = {
    "torch": {
        "3.0": (1, 8, 2),
        "3.1": (1, 8, 2),
        "3.2": (1, 8, 2),
        "3.3": (2, 0, 1),
        "3.4": (2, 0, 1),
        "3.5": (2, 0, 1),
        "3.6": (2, 5, 1),
        "3.7": (2, 9, 1),
    },
    "torchvision": {
        "3.0": (0, 9, 2),
        "3.1": (0, 9, 2),
        "3.2": (0, 9, 2),
        "3.3": (0, 15, 2),
        "3.4": (0, 15, 2),
        "3.5": (0, 15, 2),
        "3.6": (0, 20, 1),
        "3.7": (0, 25, 0),
    },
    "transformers": {
        "3.0": (4, 5, 1),
        "3.1": (4, 5, 1),
        "3.2": (4, 5, 1),
        "3.3": (4, 36, 2),
        "3.4": (4, 43, 4),
        "3.5": (4, 47, 0),
        "3.6": (4, 51, 3),
        "3.7": (4, 51, 3),
    },
}
"""Version of a library in each release."""


class Shipped(NamedTuple):
    """Which releases bring a library with the deep learning libraries, both ends included."""

    first: str
    last: str


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _from(first: str, names: str, last: str = PRO[-1]) -> dict[str, Shipped]:
    return {name: Shipped(first, last) for name in names.split()}


SHIPPED: Final[dict[str, Shipped]] = {
    **_from(
        "3.0",
        "torch torchvision transformers tokenizers fastai fastprogress cv2 onnx sklearn skimage"
        " sentencepiece spacy xgboost lightgbm catboost pycocotools mmcv mmdet mmseg numba"
        " llvmlite laspy torch_geometric torch_scatter torch_sparse torch_cluster"
        " torch_spline_conv imageio shapely joblib tensorboard tensorboardX optuna prettytable"
        " plotly shap tabulate yapf wordcloud addict filelock terminaltables tifffile Cython"
        " scikitplot category_encoders supervised dtreeviz graphviz google aiohttp yarl",
    ),
    **_from("3.2", "timm einops ensemble_boxes mmdet3d pyquaternion inplace_abn h3 trimesh"),
    **_from(
        "3.3",
        "safetensors huggingface_hub datasets onnxruntime rasterio fiona pyproj geopandas rtree"
        " affine albumentations segment_anything segment_anything_hq samgeo supervision spconv"
        " groundingdino GPUtil mmengine gdown dill multiprocess xxhash folium branca mapclassify"
        " portalocker lazy_loader detreg",
    ),
    **_from("3.4", "accelerate bitsandbytes"),
    **_from("3.5", "openai anthropic groq sam2 hydra omegaconf iopath boto3 botocore distro"),
    **_from("3.6", "diffusers open_clip clip cohere mistralai controlnet_aux gsplat websockets"),
    **_from("3.0", "tensorflow keras tensorflow_addons onnx_tf fasttext imgaug", "3.5"),
    **_from("3.2", "tensorflow_hub tensorflow_model_optimization tflite_support", "3.5"),
    **_from("3.3", "tensorflow_probability", "3.5"),
}
"""Modules that the deep learning libraries installer brings."""

# Not verified for every release; "Available Python libraries" in the help of ArcGIS names most.
BASE: Final = _words(
    "arcpy arcgis numpy scipy pandas matplotlib mpl_toolkits PIL requests h5py netCDF4 cftime"
    " xarray dask distributed openpyxl xlrd xlwt lxml yaml pytz tzdata dateutil six sympy mpmath"
    " networkx seaborn statsmodels patsy numexpr bottleneck pyarrow fsspec cloudpickle toolz"
    " cytoolz tqdm psutil packaging setuptools pkg_resources pip wheel certifi urllib3 idna chardet"
    " charset_normalizer cryptography cffi pycparser keyring requests_toolbelt requests_oauthlib"
    " oauthlib cachetools ujson simplejson jsonschema attr attrs pydantic pydantic_core"
    " typing_extensions annotated_types jinja2 markupsafe click colorama IPython ipywidgets"
    " ipykernel jupyter_client jupyter_core notebook nbformat nbconvert traitlets tornado zmq"
    " win32api win32con win32com win32file win32gui win32process pythoncom pywintypes winerror"
    " cycler kiwisolver pyparsing fontTools contourpy shapefile bs4 soupsieve html5lib webencodings"
    " anyio sniffio httpx httpcore h11 appdirs platformdirs decorator defusedxml babel black bleach"
    " azure brotli debugpy autograd osgeo gdal ogr osr pywt wrapt rich ninja pylerc future past"
    " pytest plumbum argon2 asttokens executing stack_data pure_eval locket partd zict msgpack"
    " sortedcontainers tblib heapdict threadpoolctl pooch pygments prompt_toolkit jedi parso"
    " matplotlib_inline wcwidth regex pathspec tomli jsonpointer referencing rpds ply sip"
)
"""Modules of ArcGIS Pro's own environment."""

# First Python without the module (https://docs.python.org/3, "What's New").
_REMOVED: Final[dict[str, tuple[int, int]]] = {
    **dict.fromkeys(_words("formatter parser symbol"), (3, 10)),
    "binhex": (3, 11),
    **dict.fromkeys(_words("asynchat asyncore distutils imp smtpd"), (3, 12)),
    **dict.fromkeys(
        _words(
            "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib"
            " ossaudiodev pipes sndhdr spwd sunau telnetlib uu xdrlib"
        ),
        (3, 13),
    ),
}
# First Python with the module, where that is later than 3.9.
_ADDED: Final[dict[str, tuple[int, int]]] = {
    "tomllib": (3, 11),
    "annotationlib": (3, 14),
    "compression": (3, 14),
}
_STANDARD: Final = (
    _words(
        "abc antigravity argparse array ast asyncio atexit base64 bdb binascii bisect builtins"
        " bz2 calendar cmath cmd code codecs codeop collections colorsys compileall concurrent"
        " configparser contextlib contextvars copy copyreg cProfile csv ctypes curses dataclasses"
        " datetime dbm decimal difflib dis doctest email encodings ensurepip enum errno"
        " faulthandler fcntl filecmp fileinput fnmatch fractions ftplib functools gc genericpath"
        " getopt getpass gettext glob graphlib grp gzip hashlib heapq hmac html http idlelib"
        " imaplib importlib inspect io ipaddress itertools json keyword linecache locale logging"
        " lzma mailbox marshal math mimetypes mmap modulefinder msvcrt multiprocessing netrc nt"
        " ntpath nturl2path numbers opcode operator optparse os pathlib pdb pickle pickletools"
        " pkgutil platform plistlib poplib posix posixpath pprint profile pstats pty pwd"
        " py_compile pyclbr pydoc pydoc_data pyexpat queue quopri random re readline reprlib"
        " resource rlcompleter runpy sched secrets select selectors shelve shlex shutil signal"
        " site smtplib socket socketserver sqlite3 sre_compile sre_constants sre_parse ssl stat"
        " statistics string stringprep struct subprocess symtable sys sysconfig syslog tabnanny"
        " tarfile tempfile termios textwrap this threading time timeit tkinter token tokenize"
        " trace traceback tracemalloc tty turtle turtledemo types typing unicodedata unittest"
        " urllib uuid venv warnings wave weakref webbrowser winreg winsound wsgiref xml xmlrpc"
        " zipapp zipfile zipimport zlib zoneinfo"
    )
    | frozenset(_REMOVED)
    | frozenset(_ADDED)
)
# Parts of it that are not meant to be imported, as far as this Python has them.
_PRIVATE: Final = frozenset(
    name for name in getattr(sys, "stdlib_module_names", ()) if name.startswith("_")
) | {"__future__", "__main__"}


def standard_library(module: str) -> bool:
    """Tell whether some Python from 3.9 has a module in its standard library."""
    return module in _STANDARD or module in _PRIVATE


def lacking(module: str) -> tuple[str, ...]:
    """Return the releases whose Python does not have a module of the standard library or shipped.

    Parameters
    ----------
    module : str
        Name of a top level module.

    Returns
    -------
    tuple of str
        All releases for a module that is not known at all.
    """
    if standard_library(module):
        first, end = _ADDED.get(module, (3, 0)), _REMOVED.get(module, (4, 0))
        return tuple(pro for pro in PRO if not first <= PYTHON[pro] < end)
    if module in BASE:
        return ()
    if module in SHIPPED:
        first_pro, last_pro = SHIPPED[module]
        low, high = PRO.index(first_pro), PRO.index(last_pro)
        return PRO[:low] + PRO[high + 1 :]
    return PRO


def older_python(version: tuple[int, int]) -> tuple[str, ...]:
    """Return the releases whose Python is older than a version."""
    return tuple(pro for pro in PRO if PYTHON[pro] < version)


def listed_versions(releases: Sequence[str]) -> str:
    """Return releases in words: ``ArcGIS Pro 3.0 to 3.2, 3.6 and later``."""
    parts: list[str] = []
    indexes = [PRO.index(release) for release in releases]
    while indexes:
        run = 1
        while run < len(indexes) and indexes[run] == indexes[run - 1] + 1:
            run += 1
        first, last = PRO[indexes[0]], PRO[indexes[run - 1]]
        if last == PRO[-1] and first != PRO[0]:
            parts.append(f"{first} and later" if first != last else first)
        else:
            parts.append(first if run == 1 else f"{first} to {last}")
        indexes = indexes[run:]
    return "ArcGIS Pro " + ", ".join(parts)
