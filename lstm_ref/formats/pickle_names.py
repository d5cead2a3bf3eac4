"""What the names in a PyTorch pickle mean here, and the plain records that they become."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from lstm_ref.formats.stored import cut


@dataclass(frozen=True)
class Name:
    """A global that the pickle refers to, as "module.name"; never imported."""

    text: str


@dataclass(frozen=True)
class Storage:
    """Where a tensor's numbers lie: PyTorch's persistent id, unchecked."""

    kind: str
    key: str
    size: int
    view: tuple[str, int, int] | None = None


@dataclass(frozen=True)
class TensorRecord:
    """A tensor as PyTorch pickles it: a window on a storage, in elements, unchecked."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: str | None = None
    problem: str = ""
    negated: bool = False


@dataclass(eq=False)
class Inert:
    """An object of a harmless class whose content is of no interest here."""

    name: str
    items: list[Any] = field(default_factory=list)


def is_count(value: Any) -> bool:
    """Whether a value is a whole number that is not negative."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    return {pair[0]: pair[1] for pair in pairs if is_key(pair[0])}


def _tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...],
    _gradient: Any = None, _hooks: Any = None, metadata: Any = None, *_: Any,
) -> TensorRecord:  # fmt: skip
    shape, stride = tuple(shape), tuple(stride)
    if (
        not isinstance(storage, Storage)
        or len(shape) != len(stride)
        or not all(is_count(n) for n in (offset, *shape, *stride))
    ):
        raise ValueError("a tensor whose shape, stride or offset are no whole numbers")
    given = metadata if isinstance(metadata, dict) else {}
    flags = ", ".join(sorted(str(flag) for flag in given if flag != "neg"))
    problem = f"is a view with the flags {cut(flags)}; save it after .resolve_conj()" if flags else ""
    return TensorRecord(storage, offset, shape, stride, problem=problem, negated=given.get("neg") is True)


def _typed_tensor(
    storage: Storage, offset: int, shape: tuple[int, ...], stride: tuple[int, ...],
    _gradient: Any, _hooks: Any, dtype: Name, *_: Any,
) -> TensorRecord:  # fmt: skip
    if not isinstance(dtype, Name):
        raise TypeError("a tensor whose dtype is not a name")
    return replace(_tensor(storage, offset, shape, stride), dtype=dtype.text)


def _of_type(rebuild: Any, kind: Any, arguments: tuple[Any, ...], *_: Any) -> Any:
    """A tensor with attributes of its own; of a class of its own it is not known what its numbers are."""
    plain = isinstance(kind, Name) and kind.text in ("torch.Tensor", "torch.nn.parameter.Parameter")
    meaning = MEANINGS.get(rebuild.text) if isinstance(rebuild, Name) and plain else None
    return meaning(*arguments) if meaning else Inert("torch._tensor._rebuild_from_type_v2")


def _first(data: Any, *_: Any) -> Any:
    return data


MEANINGS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.defaultdict": lambda *_: {},
    "collections.Counter": lambda *_: {},
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _typed_tensor,
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch.nn.parameter.Parameter": _first,
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "torch.Size": lambda sizes=(): tuple(sizes),
}
"""What a call of an allowed name means here."""

INERT = frozenset(
    {
        "__builtin__.bytearray",
        "__builtin__.complex",
        "__builtin__.dict",
        "__builtin__.frozenset",
        "__builtin__.list",
        "__builtin__.long",
        "__builtin__.set",
        "__builtin__.slice",
        "__builtin__.tuple",
        "__builtin__.xrange",
        "_codecs.encode",
        "argparse.Namespace",
        "builtins.bool",
        "builtins.bytearray",
        "builtins.complex",
        "builtins.dict",
        "builtins.float",
        "builtins.frozenset",
        "builtins.int",
        "builtins.list",
        "builtins.range",
        "builtins.set",
        "builtins.slice",
        "builtins.str",
        "builtins.tuple",
        "collections.deque",
        "datetime.date",
        "datetime.datetime",
        "datetime.timedelta",
        "datetime.timezone",
        "decimal.Decimal",
        "numpy._core.multiarray._reconstruct",
        "numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct",
        "numpy.core.multiarray.scalar",
        "numpy.dtype",
        "numpy.ndarray",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random._pickle.__randomstate_ctor",
        "omegaconf.base.ContainerMetadata",
        "omegaconf.base.Metadata",
        "omegaconf.dictconfig.DictConfig",
        "omegaconf.listconfig.ListConfig",
        "omegaconf.nodes.AnyNode",
        "pathlib.Path",
        "pathlib.PosixPath",
        "pathlib.PurePath",
        "pathlib.PurePosixPath",
        "pathlib.PureWindowsPath",
        "pathlib.WindowsPath",
        "pyannote.audio.core.model.Introspection",
        "pyannote.audio.core.task.Problem",
        "pyannote.audio.core.task.Resolution",
        "pyannote.audio.core.task.Specifications",
        "torch.Generator",
        "torch.Tensor",
        "torch._utils._rebuild_device_tensor_from_numpy",
        "torch._utils._rebuild_meta_tensor_no_storage",
        "torch._utils._rebuild_qtensor",
        "torch._utils._rebuild_sparse_tensor",
        "torch.device",
        "torch.layout",
        "torch.per_channel_affine",
        "torch.per_tensor_affine",
        "torch.serialization._get_layout",
        "torch.sparse_coo",
        "torch.strided",
        "torch.torch_version.TorchVersion",
        "types.SimpleNamespace",
        "typing.Any",
        "uuid.UUID",
    }
)
"""Names that training checkpoints hold beside their tensors; calls of them yield `Inert`."""


def is_data_type(name: str) -> bool:
    """Whether the name is a storage class or a dtype of PyTorch's, such as torch.FloatStorage or torch.float16."""
    module, _, attribute = name.rpartition(".")
    if module in ("torch", "torch.storage") and attribute.endswith("Storage"):
        return True
    kinds = (
        "float",
        "double",
        "half",
        "bfloat",
        "int",
        "uint",
        "long",
        "short",
        "char",
        "bool",
        "complex",
        "q",
        "bits",
    )
    return module == "torch" and attribute.startswith(kinds)


def is_key(key: Any) -> bool:
    """Whether a value may be the key of a dict here."""
    return key is None or isinstance(key, str | float | bytes) or (isinstance(key, int) and abs(key) < 1 << 64)
