"""The user's own code: what is missing, and what it raises, is one line with the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.core.errors import UserCodeError
from agent.core.user_code import Calling, is_user_code, load_factory


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_only_module_and_factory_are_taken_for_the_users_code() -> None:
    assert is_user_code("mine:Walker") and is_user_code("mine.py:Walker")
    assert not any(is_user_code(s) for s in ("arena", "pilot", "gym:a:B-v1", "bonklink://h:1", "pipe://x"))


@pytest.mark.parametrize(
    ("name", "text", "spec", "named"),
    [
        ("uc_a", "", "uc_aa:Walker", r"no module uc_aa, neither .* did you mean uc_a\?"),
        ("uc_b", "", "uc_b.py:Walker", r"write uc_b, without \.py"),
        ("uc_c", "class Walker: pass", "uc_c:Waker", r"uc_c\.py\) has no Waker; did you mean Walker\?"),
        ("uc_d", "Walker = 3", "uc_d:Walker", "Walker is a int; a class or a function"),
        ("uc_e", "\nimport uc_missing", "uc_e:Walker", r"No module named 'uc_missing' \(.*uc_e\.py:2\)"),
        ("uc_f", "\n\n1 / 0", "uc_f:Walker", r"import uc_f raised ZeroDivisionError: .* \(.*uc_f\.py:3\)"),
        ("uc_g", "def f(:", "uc_g:f", r"SyntaxError: .*uc_g\.py.*:1\)"),
        ("uc_z", "", "bonklink:127.0.0.1:5", "an address is written bonklink://"),
        ("uc_h", "", "uc_h:", "MODULE:FACTORY"),
        ("uc_i", "", ":f", "MODULE:FACTORY"),
        ("uc_j", "", "some/uc_j:f", "MODULE:FACTORY"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_one_line(here: Path, name: str, text: str, spec: str, named: str) -> None:
    (here / f"{name}.py").write_text(text, encoding="utf-8")
    with pytest.raises(UserCodeError, match=named) as caught:
        load_factory("--policy", spec)
    assert str(caught.value).startswith(f"--policy {spec}: ") and "\n" not in str(caught.value)


def test_an_error_is_placed_in_the_users_file_even_where_a_library_raises_it(here: Path) -> None:
    (here / "uc_k.py").write_text("import json\n\ndef f(text):\n    return json.loads(text)\n", encoding="utf-8")
    function = load_factory("--game", "uc_k:f")
    with (
        pytest.raises(UserCodeError, match=r"^--game x: f raised JSONDecodeError: .*uc_k\.py:4\)$"),
        Calling("--game x", "f"),
    ):
        function("{")
    with pytest.raises(KeyboardInterrupt), Calling("--game x", "f"):
        raise KeyboardInterrupt
