"""Tables, built-in data sets, preprocessing, and splits."""

from chainrule.data.columns import UnseenCategoryWarning
from chainrule.data.datasets import DATASETS, Dataset, DatasetInfo, load_dataset
from chainrule.data.files import atomic_write
from chainrule.data.preprocessing import Preprocessor
from chainrule.data.report import ColumnReport, describe
from chainrule.data.splits import Split, fingerprint, split_rows
from chainrule.data.table import read_table, write_table
from chainrule.data.targets import find_task

__all__ = [
    "DATASETS",
    "ColumnReport",
    "Dataset",
    "DatasetInfo",
    "Preprocessor",
    "Split",
    "UnseenCategoryWarning",
    "atomic_write",
    "describe",
    "find_task",
    "fingerprint",
    "load_dataset",
    "read_table",
    "split_rows",
    "write_table",
]
