"""Names by the numbers in them."""

from __future__ import annotations

from itertools import permutations

from tui.base.natural_order import natural_order


def test_steps_stand_in_the_order_of_their_numbers() -> None:
    names = ["a/checkpoint-50/x", "a/checkpoint-050/x", "a/checkpoint-200/x", "a/checkpoint-1000/x",
             "b", "c٣", "step_7_face_0.png", "step_10_face_0.png", "Ⅷ"]  # fmt: skip
    expected = sorted(names, key=natural_order)
    assert expected.index("a/checkpoint-050/x") == 0
    assert expected[1:4] == ["a/checkpoint-50/x", "a/checkpoint-200/x", "a/checkpoint-1000/x"]
    assert expected.index("step_7_face_0.png") < expected.index("step_10_face_0.png")
    assert all(sorted(some, key=natural_order) == sorted(sorted(some), key=natural_order)
               for some in permutations(names, 3))  # fmt: skip
