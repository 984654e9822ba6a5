"""The public surface: complete, documented, light to import; and the error tree as it is drawn."""

import doctest
import importlib
import inspect
import subprocess
import sys

import pytest

import lptn_retouch
from lptn_retouch import errors

NAMES = ["Photo", "Preset", "Retoucher", "__version__", "errors", "list_presets", "load_preset", "open_photo"]
NAMES += ["retouch", "retouch_folder"]
ERRORS = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}


def python(script: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_public_names_are_these() -> None:
    assert sorted(lptn_retouch.__all__) == sorted(NAMES)
    assert set(dir(lptn_retouch)) >= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_can_be_imported(name: str) -> None:
    value = getattr(lptn_retouch, name)
    assert value is getattr(lptn_retouch, name), "the same object each time"
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__name__ == name
        home = importlib.import_module(value.__module__)
        assert getattr(home, name) is value


def test_other_names_are_no_attributes() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = lptn_retouch.no_such_name


def test_the_package_is_imported_without_torch() -> None:
    heavy = ["torch", "kornia", "numpy", "PIL", "rawpy", "safetensors"]
    script = f"import sys, lptn_retouch; print([m for m in {heavy} if m in sys.modules], lptn_retouch.__version__)"
    assert python(script).split() == ["[]", lptn_retouch.__version__]
    assert python("from lptn_retouch.errors import UsageError; import sys; print('torch' in sys.modules)") == "False\n"


def test_photos_are_opened_and_presets_are_listed_without_torch() -> None:
    script = "import sys; from lptn_retouch import open_photo, list_presets, errors; list_presets()"
    assert python(script + "; print('torch' in sys.modules)") == "False\n"


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("__version__", "errors")])
def test_every_public_class_and_function_has_an_example(name: str) -> None:
    doc = inspect.getdoc(getattr(lptn_retouch, name)) or ""
    assert "Example:" in doc
    assert doctest.DocTestParser().get_examples(doc)


def test_public_methods_are_documented() -> None:
    for name in ("Photo", "Preset", "Retoucher"):
        for method, value in vars(getattr(lptn_retouch, name)).items():
            if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, property)):
                assert inspect.getdoc(value), f"{name}.{method}"


# The error tree.


def test_every_error_has_the_one_root() -> None:
    assert len(ERRORS) > 8
    for name, error in ERRORS.items():
        assert issubclass(error, errors.LptnRetouchError), name
        assert issubclass(error, Exception)
        assert error.__doc__, name
        assert str(error("what to do.")) == "what to do."


def test_the_tree_drawn_is_the_tree_there_is() -> None:
    drawn: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip("│├└─ ").split(" ")[0]
        if not name.endswith("Error") or not name.isidentifier():
            continue
        indent = line.index(name)
        above = [(at, parent) for at, parent in above if at < indent]
        drawn[name] = above[-1][1] if above else None
        above.append((indent, name))
    assert drawn.keys() == ERRORS.keys()
    for name, parent in drawn.items():
        assert ERRORS[name].__bases__[0].__name__ == (parent or "Exception"), name


def test_a_usage_error_is_a_value_error() -> None:
    assert issubclass(errors.UsageError, ValueError)
