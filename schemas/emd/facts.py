"""What is known of model types, keys and names in model definitions."""

from __future__ import annotations

__all__ = [
    "BACKGROUND_NAMES",
    "CORE_KEYS",
    "FLAGS",
    "IMAGERY_TYPES",
    "MODEL_TYPES",
    "PATH_KEYS",
    "PIXEL_TYPES",
    "RETIRED_FRAMEWORKS",
    "WRONG_TYPES",
]

_DETECT = "Detect Objects Using Deep Learning"
_CLASSIFY_OBJECTS = "Classify Objects Using Deep Learning"

MODEL_TYPES: dict[str, str] = {
    "ImageClassification": "",
    "ClassifyPixels": "",
    # Whether Classify Pixels takes these four is not documented, so nothing is said about them.
    "CycleGAN": "",
    "Pix2Pix": "",
    "Pix2PixHD": "",
    "SuperResolution": "",
    "PanopticSegmenter": "",
    "ObjectDetection": _DETECT,
    "InstanceDetection": _DETECT,
    "ObjectClassification": _CLASSIFY_OBJECTS,
    "ImageCaptioner": _CLASSIFY_OBJECTS,
    "ObjectTracking": "object tracking in video",
    "PointCloudClassification": "point cloud tools",
    "PointCloudDetection": "point cloud tools",
    "TimeSeriesModel": "time series tools",
    "FullyConnectedNetwork": "tools for tables",
    "MLModel": "tools for tables",
    "AutoML": "tools for tables",
    "Transformer": "text tools",
    "TextClassifier": "text tools",
    "ZeroShotClassifier": "text tools",
    "EntityRecognizer": "text tools",
    "SequenceToSequence": "text tools",
    "TextTranslator": "text tools",
    "llm": "text tools",
}
"""Known values of ModelType and the tool they are made for ("" for Classify Pixels)."""

PIXEL_TYPES = frozenset({"ImageClassification", "ClassifyPixels"})
"""Model types that give a class per pixel."""

IMAGERY_TYPES = PIXEL_TYPES | {
    "ObjectDetection",
    "InstanceDetection",
    "ObjectClassification",
    "ImageCaptioner",
}
"""Model types that ArcGIS runs tile by tile on imagery, through a raster function."""

WRONG_TYPES: dict[str, str] = {
    "semanticsegmentation": "ImageClassification",
    "segmentation": "ImageClassification",
    "imagesegmentation": "ImageClassification",
    "pixelclassification": "ImageClassification",
    "pixelclassifier": "ImageClassification",
    "classifypixel": "ImageClassification",
    "detection": "ObjectDetection",
    "objectdetector": "ObjectDetection",
    "instancesegmentation": "InstanceDetection",
    "featureclassification": "ObjectClassification",
    "featureclassifier": "ObjectClassification",
    "instancedetector": "InstanceDetection",
    "imageclassifier": "ImageClassification",
    "objectclassifier": "ObjectClassification",
    "imagecaptioning": "ImageCaptioner",
    "panopticsegmentation": "PanopticSegmenter",
}
"""What other programs call these kinds of models (small letters only) and Esri's word for it."""

CORE_KEYS = (
    "ModelType",
    "InferenceFunction",
    "ModelFile",
    "ImageHeight",
    "ImageWidth",
    "ExtractBands",
    "Classes",
    "Framework",
    "ModelConfiguration",
    "ModelName",
    "DataRange",
    "ModelPadding",
    "ImageSpaceUsed",
    "MinCellSize",
    "MaxCellSize",
    "SupportsVariableTileSize",
    "NormalizationStats",
)
"""Keys that are looked for under exactly this name; functions use others as they like."""

FLAGS = (
    "SupportsVariableTileSize",
    "IsMultispectral",
    "IsImageNetNormalization",
    "DoNormalize",
    "IsEdgeDetection",
    "IsMultidimensional",
)
"""Keys that Python functions use as conditions."""

PATH_KEYS = ("InferenceFunction", "ModelFile", "ModelConfigurationFile")
"""Keys whose value is the path of a file in the package."""

RETIRED_FRAMEWORKS: dict[str, str] = {
    "tensorflow": "ArcGIS Pro 3.6 and later come without TensorFlow",
    "keras": "ArcGIS Pro 3.6 and later come without TensorFlow, which Keras needs",
    "cntk": "CNTK has not come with ArcGIS Pro for years",
}

BACKGROUND_NAMES = frozenset(
    {"background", "nodata", "no data", "none", "other", "others", "unclassified", "unknown"}
)
"""Names (in small letters) under which value 0 is no surprise."""
