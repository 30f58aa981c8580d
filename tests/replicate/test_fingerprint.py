"""Same input, same fingerprint: through another's JSON and back."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tui.replicate.lookup import input_fingerprint, secret_input_names
from tui.replicate.secret import Secret

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
INPUTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=6)


@given(INPUTS, st.randoms())
def test_survives_json_order_and_nulls(values, random):
    names = list(values)
    random.shuffle(names)
    echoed = json.loads(json.dumps({name: values[name] for name in names}))
    assert input_fingerprint(echoed) == input_fingerprint(values)
    without = {name: value for name, value in values.items() if value is not None}
    assert input_fingerprint(without) == input_fingerprint(values)


@given(INPUTS, st.text(min_size=1, max_size=6), st.text(), st.text())
def test_secret_names_do_not_count(values, name, mine, theirs):
    a = input_fingerprint({**values, name: mine}, {name})
    assert a == input_fingerprint({**values, name: theirs}, {name})
    assert a == input_fingerprint({k: v for k, v in values.items() if k != name}, {name})
    assert a == input_fingerprint({**values, name: Secret(mine)})


@given(INPUTS, INPUTS)
def test_different_inputs_differ(one, other):
    def level(values):
        return json.dumps({k: v for k, v in values.items() if v is not None}, sort_keys=True)

    if input_fingerprint(one) == input_fingerprint(other):
        assert json.loads(level(one)) == json.loads(level(other))


def test_numbers_are_level_but_not_with_booleans_or_text():
    assert input_fingerprint({"a": 1.0}) == input_fingerprint({"a": 1})
    assert input_fingerprint({"a": 1}) != input_fingerprint({"a": True})
    assert input_fingerprint({"a": 1}) != input_fingerprint({"a": "1"})
    assert input_fingerprint({"a": 1e-4}) != input_fingerprint({"a": 1e-5})
    assert len(input_fingerprint({})) == 64


def test_names_of_secrets():
    assert secret_input_names({"a": Secret("x"), "b": "y"}) == {"a"}
