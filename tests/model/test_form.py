"""What is known of the graded network without torch is what torch builds."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from lptn_retouch.errors import InvalidPresetError
from lptn_retouch.model.form import Form, checked, read_form, shapes_of
from lptn_retouch.model.graded import GradedLPTN
from lptn_retouch.preset import load_preset


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("size", [(48, 3, 16), (8, 1, 4), (1, 0, 1), (3, 12, 40), (512, 1, 512)], ids=str)
def test_the_shapes_are_those_of_the_network(size: tuple[int, int, int], gated: bool) -> None:
    form = (*size, gated)
    built = {name: tuple(tensor.shape) for name, tensor in GradedLPTN(*form).state_dict().items()}
    assert shapes_of(Form(*form)) == built
    assert read_form({name: np.broadcast_to(np.float32(0), shape) for name, shape in built.items()}) == form


def test_checked_weights_are_a_copy_that_nobody_can_write_to(tiny: GradedLPTN) -> None:
    given = {name: tensor.numpy().astype(np.float64) for name, tensor in tiny.state_dict().items()}
    weights = checked(given)
    for name, array in weights.items():
        assert array.dtype == np.float32 and array.flags.c_contiguous and not np.shares_memory(array, given[name])
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_a_network_that_is_larger_than_any_is_refused_by_its_names_alone() -> None:
    huge = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes_of(Form(513, 1, 4)).items()}
    with pytest.raises(InvalidPresetError, match="larger than any"):
        checked(huge)


@pytest.mark.parametrize(("glance", "numbers"), [("grade", 0), ("grade", 59), ("grade", 61), ("gate", 0), ("gate", 2)])
def test_a_network_that_chooses_fewer_or_more_numbers_is_refused(
    tiny: GradedLPTN, glance: str, numbers: int, one_sentence: Callable[[object], str]
) -> None:
    weights = {name: tensor.numpy() for name, tensor in tiny.state_dict().items()}
    weights[f"{glance}.choose.3.weight"] = np.zeros((numbers, 128), np.float32)
    weights[f"{glance}.choose.3.bias"] = np.zeros(numbers, np.float32)
    with pytest.raises(InvalidPresetError, match=str(numbers)) as caught:
        checked(weights)
    one_sentence(caught.value)


def test_weights_with_a_gate_and_without_are_known_by_their_names(tiny: GradedLPTN, tiny_old: GradedLPTN) -> None:
    assert read_form(tiny.state_dict()) == (8, 1, 4, True)
    assert read_form(tiny_old.state_dict()) == (8, 1, 4, False)
    assert checked({name: tensor.numpy() for name, tensor in tiny_old.state_dict().items()}).keys()


def test_the_weights_that_ship_are_loaded_without_torch() -> None:
    script = "import sys; from lptn_retouch import load_preset; load_preset('winter'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout == "False\n", done.stderr
    assert load_preset("winter").weights.keys() == load_preset("winter").network.state_dict().keys()
