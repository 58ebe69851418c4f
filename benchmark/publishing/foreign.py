"""Networks of others: checkpoints of tensors put into timm models, and weights of the hub."""

import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark.errors import DataError, IntegrityError, UsageError, one_line, unknown
from benchmark.generation.weights import reach_hub
from benchmark.recording.weights_file import read_tensors
from benchmark.registry import BACKBONES
from benchmark.system.pickled_names import check_names

SAFE, PICKLED = (".safetensors",), (".pt", ".pth", ".bin", ".ckpt", ".tar")
# where training scripts put the weights among other things, and how wrappers prefix them
HOLDERS = ("state_dict", "model_state_dict", "model", "net", "weights")
PREFIXES = ("module.", "model.", "_orig_mod.", "net.")
# counters that older versions of torch did not keep
OPTIONAL = ".num_batches_tracked"
_SHOWN = 5


def read_state(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name; nothing in the file is executed.

    Raises:
        DataError: there is no such file.
        UsageError: another kind of file.
        IntegrityError: damaged, or it holds code or something else than weights.
    """
    if path.suffix not in SAFE + PICKLED:
        raise UsageError(
            f"Expected a checkpoint ({', '.join(SAFE + PICKLED)}), but got '{path.name}'",
            where="checkpoint",
        )
    if path.suffix in SAFE:
        return read_tensors(path)[1]
    if not path.is_file():
        raise DataError("Expected a checkpoint, but got none", where=path)
    return _weights_in(_unpickled(path), path)


def _unpickled(path: Path) -> Any:
    try:
        _check_unpacked(path)
        check_names(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except IntegrityError:
        raise
    except Exception as error:  # damaged files fail in every layer of torch.load
        raise IntegrityError(_refusal(error), where=path, todo=_REWRITE) from error


_REWRITE = "save the weights alone: torch.save(model.state_dict(), FILE), or as safetensors"


def _check_unpacked(path: Path) -> None:
    """Refuse an archive that is much larger unpacked: torch stores and does not compress."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
        damaged = None if size > 2 * path.stat().st_size + 2**20 else archive.testzip()
    if damaged is None and size <= 2 * path.stat().st_size + 2**20:
        return
    problem = f"a damaged part {damaged}" if damaged else f"{size:,} bytes when unpacked"
    raise IntegrityError(
        f"Expected a checkpoint of torch, but got {problem}", where=path, todo=_REWRITE
    )


def _refusal(error: Exception) -> str:
    """One line for what ``torch.load`` says in twenty."""
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    if named:
        return f"Expected tensors alone, but the file holds code or objects: {named[1]}"
    return f"Expected a checkpoint of tensors, but it cannot be read: {one_line(error)}"


def _weights_in(value: Any, path: Path) -> dict[str, Tensor]:
    """The mapping of names to tensors, perhaps below another one."""
    if isinstance(value, Mapping):
        for held in [*(value[name] for name in HOLDERS if name in value), value]:
            found = _tensors(held)
            if found:
                return found
    keys = ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
    raise IntegrityError(
        f"Expected weights by name, but got {keys[:200] or 'nothing'}",
        where=path,
        todo=_REWRITE,
    )


def _tensors(value: Any) -> dict[str, Tensor]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): item for name, item in value.items() if isinstance(item, Tensor)}


def load_checkpoint(name: str, path: Path, classes: int, mapped: bool) -> nn.Module:
    """A timm model with the weights of a checkpoint, in evaluation mode.

    Args:
        name: of the model.
        path: of the checkpoint.
        classes: of the data set.
        mapped: whether a map names the output of each class, so that there may be others.

    Raises:
        UsageError: an unknown model, or another number of classes.
        DataError: there is no such file.
        IntegrityError: see ``read_state``; or names and shapes are not the model's.
    """
    state = read_state(path)
    net = create(name, num_classes=classes)
    fitted = fit_names(state, net.state_dict())
    outputs = _outputs(fitted, net.state_dict(), classes)
    if outputs != classes:
        if not mapped:
            raise UsageError(
                f"Expected {classes} classes, but the checkpoint has {outputs}",
                where=path,
                todo="map=FILE names the output of each class, one a line",
            )
        net = create(name, num_classes=outputs)
    _compare(fitted, net.state_dict(), name, path)
    net.load_state_dict(fitted, strict=False)
    return net.eval()


def fit_names(state: Mapping[str, Tensor], wanted: Iterable[str]) -> dict[str, Tensor]:
    """The state with the prefixes of wrappers taken off where that gives a wanted name."""
    names = set(wanted)
    return {_fitted(name, names): value for name, value in state.items()}


def _fitted(name: str, wanted: set[str]) -> str:
    short = name
    while short not in wanted:
        prefix = next((each for each in PREFIXES if short.startswith(each)), None)
        if prefix is None:
            return name
        short = short.removeprefix(prefix)
    return short


def _outputs(state: Mapping[str, Tensor], own: Mapping[str, Tensor], classes: int) -> int:
    """Classes of the checkpoint: where only the first size of a classifier's weight differs."""
    for name, tensor in own.items():
        other = state.get(name)
        if other is None or other.shape == tensor.shape or not other.ndim:
            continue
        if tensor.shape[0] == classes and other.shape[1:] == tensor.shape[1:]:
            return int(other.shape[0])
    return classes


def _compare(state: Mapping[str, Tensor], own: Mapping[str, Tensor], name: str, path: Path) -> None:
    missing = [each for each in own if each not in state and not each.endswith(OPTIONAL)]
    unexpected = [each for each in state if each not in own]
    shaped = [
        f"{each} of {_shape(state[each])} and not {_shape(own[each])}"
        for each in own
        if each in state and state[each].shape != own[each].shape
    ]
    found = {"missing": missing, "not expected": unexpected, "another shape": shaped}
    said = [f"{len(names)} {what} ({_some(names)})" for what, names in found.items() if names]
    if said:
        raise IntegrityError(
            f"Expected the weights of {name}, but {'; '.join(said)}",
            where=path,
            todo="name the network that was trained: model=NAME",
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def create(name: str, **options: Any) -> nn.Module:
    """A timm model without weights of its own.

    Raises:
        UsageError: no such model, or it refuses the options.
    """
    import timm

    _check_model(name)
    try:
        net = timm.create_model(name, **options)
    except Exception as error:  # each model fails in its own way
        raise UsageError(f"{name} cannot be built: {one_line(error)}", where="model") from error
    assert isinstance(net, nn.Module)
    return net


def pretrained(name: str) -> nn.Module:
    """A timm model with the weights that timm publishes for it, in evaluation mode.

    Raises:
        UsageError: no such model, or none of its weights are published.
        DataError: they are not on this machine and the hub cannot be reached.
    """
    import timm

    _check_model(name)
    if not timm.is_model_pretrained(name):
        raise UsageError(
            f"Expected a model with published weights, but {name} has none",
            where="model",
            todo="give checkpoint=FILE",
        )
    try:
        with _cache_alone_if_offline():
            net = timm.create_model(name, pretrained=True)
    except Exception as error:  # the hub's client and timm raise what they like
        raise DataError(
            f"Expected the weights of {name}, but they cannot be fetched ({type(error).__name__})",
            where="model",
            todo="connect this machine, or give checkpoint=FILE",
        ) from error
    assert isinstance(net, nn.Module)
    return net.eval()


@contextmanager
def _cache_alone_if_offline() -> Iterator[None]:
    """Keep the hub's client, which would retry for a minute, from a hub that is out of reach."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    try:
        reach_hub()
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _check_model(name: str) -> None:
    """Refuse what timm does not know; models of the suite and of plugins are registered first."""
    import timm

    import benchmark.models.cifar_resnet  # noqa: F401  (registers its models with timm)

    if name in BACKBONES.entries:
        BACKBONES.load(name)
    # a tag of published weights follows a dot
    if not timm.is_model(name.partition(".")[0]):
        raise unknown("model", name, timm.list_models(), where="model")
