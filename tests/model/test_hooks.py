import pytest

from keras_initx._model.hooks import Hooks


class Base:
    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def greet(self, name):
        return f"hello {name}"


class Derived(Base):
    pass


def adding(text):
    def around(original, *args, **kwargs):
        return f"{original(*args, **kwargs)}{text}"

    return around


def test_functions_run_while_somebody_holds_them():
    hooks = Hooks((Base, "greet", adding("!")))
    before = vars(Base)["greet"]
    hooks.hold()
    with hooks.held():
        assert Base().greet("you") == "hello you!"
    assert Base().greet(name="you") == "hello you!"
    hooks.release()
    assert vars(Base)["greet"] is before


def test_a_method_of_a_base_is_put_on_the_class_and_taken_off():
    hooks = Hooks((Derived, "greet", adding("!")))
    with hooks.held():
        assert Derived().greet("you") == "hello you!"
        assert Base().greet("you") == "hello you"
    assert "greet" not in vars(Derived)


def test_a_constructor_stays_static():
    seen = []

    def around(original, cls, *args):
        seen.append((cls, args))
        return original(cls, *args)

    before = vars(Base)["__new__"]
    with Hooks((Base, "__new__", around)).held():
        assert type(Derived()) is Derived
    assert seen == [(Derived, ())]
    assert vars(Base)["__new__"] is before


def test_two_hooks_around_one_method_end_in_any_order():
    first, second = (Hooks((Base, "greet", adding(text))) for text in "!?")
    before = vars(Base)["greet"]
    first.hold()
    second.hold()
    assert Base().greet("you") == "hello you!?"
    first.release()
    assert Base().greet("you") == "hello you?"
    second.release()
    assert vars(Base)["greet"] is before


def test_methods_that_are_added_go_too():
    hooks = Hooks()
    around = adding("!")
    hooks.add(Base, "greet", around)
    assert Base().greet("you") == "hello you"
    with hooks.held():
        hooks.add(Base, "greet", around)
        hooks.add(Base, "greet", around)
        assert Base().greet("you") == "hello you!"
    assert Base().greet("you") == "hello you"


def test_what_somebody_else_put_on_top_stays(monkeypatch):
    hooks = Hooks((Base, "greet", adding("!")))
    before = vars(Base)["greet"]
    hooks.hold()
    ours = Base.greet
    monkeypatch.setattr(Base, "greet", lambda self, name: ours(self, name) + "#")
    hooks.release()
    assert Base().greet("you") == "hello you#"
    with hooks.held():
        assert Base().greet("you") == "hello you#!"
    assert Base().greet("you") == "hello you#"
    monkeypatch.undo()
    Base.greet = before


def test_signatures_and_errors_are_those_of_the_method():
    with Hooks((Base, "greet", adding("!"))).held():
        assert Base.greet.__name__ == "greet"
        with pytest.raises(TypeError, match="name"):
            Base().greet()
