"""Every private name of Keras that we use: that it is there, and what works without."""

import ast
import inspect
import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from catalogue import BACKEND, run_python, to_numpy
from keras import layers, ops

import keras_initx
from keras_initx import _keras

PACKAGE = Path(keras_initx.__file__).parent


def dense(**arguments):
    layer = layers.Dense(3, **arguments)
    layer.build((None, 2))
    return layer


def hide(monkeypatch, name, *owners):
    """Takes a name off objects and their classes, as a release of Keras might."""
    for owner in owners:
        for holder in (owner, *type(owner).__mro__):
            if name in vars(holder):
                if holder is owner:
                    monkeypatch.delitem(vars(owner), name)
                else:
                    monkeypatch.delattr(holder, name)


# Each function of `_keras.py` has a test whose name is that of the function.


@pytest.mark.parametrize(
    ("namespace", "short_id", "target", "what"),
    [
        ("activations", "lecun_tanh", keras_initx.lecun_tanh, "lecun_tanh"),
        ("constraints", "orthonormal", keras_initx.Orthonormal, "Orthonormal()"),
    ],
)
def test_add_id(monkeypatch, namespace, short_id, target, what):
    get = getattr(keras, namespace).get
    names = get.__globals__["ALL_OBJECTS_DICT"]
    monkeypatch.delitem(names, short_id)
    _keras.add_id(namespace, short_id, target)
    found = get(short_id)
    assert found is target or type(found) is target

    monkeypatch.delitem(get.__globals__, "ALL_OBJECTS_DICT")
    message = (
        f"This release of Keras has no place for '{short_id}' in `keras.{namespace}`. "
        f"Pass `keras_initx.{what}` instead of the string."
    )
    with pytest.warns(UserWarning, match=rf"\A{re.escape(message)}\Z"):
        _keras.add_id(namespace, short_id, target)


def test_the_package_imports_without_any_private_name():
    """One warning for each id that needs a private name; the others work."""
    ran = run_python(
        "import warnings, keras\n"
        "del keras.activations.get.__globals__['ALL_OBJECTS_DICT']\n"
        "del keras.constraints.get.__globals__['ALL_OBJECTS_DICT']\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import keras_initx\n"
        "found = [str(w.message) for w in caught if 'Keras' in str(w.message)]\n"
        "print(sorted(message.split(' in ')[0] for message in found))\n"
        "print(type(keras.initializers.get('orthogonal_delta')).__name__)\n"
    )
    assert ran.returncode == 0, ran.stderr
    nowhere = "This release of Keras has no place for"
    assert ran.stdout.splitlines() == [
        str([f"{nowhere} 'lecun_tanh'", f"{nowhere} 'orthonormal'"]),
        "OrthogonalDelta",
    ]


def test_layer_being_built():
    seen = []

    def initializer(shape, dtype):
        seen.append(_keras.layer_being_built())
        return keras.ops.zeros(shape, dtype)

    layer = layers.LSTM(2, bias_initializer=initializer, unit_forget_bias=False)
    layer.build((1, 2, 3))
    assert seen == [layer.cell]
    initializer((2,), "float32")
    assert seen[1] is None


def test_is_of_keras():
    assert _keras.is_of_keras(layers.Conv2D(1, 1))
    assert not _keras.is_of_keras(type("Own", (layers.Dense,), {})(1))


def test_direct_sublayers(monkeypatch):
    class Block(layers.Layer):
        def __init__(self):
            super().__init__()
            self.first = layers.Dense(1)
            self.others = [layers.Dense(2), {"deep": layers.Dense(3)}]

    block = Block()
    found = _keras.direct_sublayers(block)
    assert {layer.units for layer in found} == {1, 2, 3}
    assert found[0] is block.first
    hide(monkeypatch, "_flatten_layers", block)
    assert {layer.units for layer in _keras.direct_sublayers(block)} == {1, 2, 3}


def test_names_of_graphs():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    functional = keras.Model(model.inputs, model.outputs)
    held = {*dir(model), *dir(functional)}
    assert {*_keras.names_of_graphs()} <= held


def test_own_losses(monkeypatch):
    class Penalized(layers.Layer):
        def call(self, inputs):
            self.add_loss(ops.sum(inputs))
            return inputs

    layer = Penalized()
    layer(np.ones((1, 2), "float32"))
    own, _ = _keras.own_losses(layer)
    assert [float(to_numpy(loss)) for loss in own] == [2]
    own.clear()
    assert layer.losses == []

    with keras.StatelessScope(collect_losses=True):
        layer(ops.ones((1, 2)))
        identities = set(_keras.own_losses(layer)[1])
    assert len(identities) == 1

    bare = Penalized()
    hide(monkeypatch, "_losses", bare)
    hide(monkeypatch, "_loss_ids", bare)
    assert _keras.own_losses(bare) == ([], set())


@pytest.mark.parametrize("is_there", [True, False])
def test_own_trainable_variables(monkeypatch, is_there):
    class Scaled(layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(2, 2))
            self.inner = layers.Dense(1)
            self.inner.build(shape)

    layer = Scaled()
    layer.build((None, 2))
    if not is_there:
        hidden = vars(layer).copy()
        del hidden["_trainable_variables"]
        # Keras's own property needs the name, which another release would not.
        trainable = layer.trainable_variables
        monkeypatch.setattr(Scaled, "trainable_variables", trainable, raising=False)
        monkeypatch.setattr(Scaled, "__getattr__", _absent, raising=False)
        vars(layer).clear()
        vars(layer).update(hidden)
    assert _keras.own_trainable_variables(layer) == [layer.scale]


def _absent(self, name):
    raise AttributeError(name)


def test_kernel_variable(monkeypatch):
    layer = dense()
    assert _keras.kernel_variable(layer) is layer.trainable_variables[0]
    separable = layers.SeparableConv1D(3, 2)
    separable.build((None, 4, 2))
    assert _keras.kernel_variable(separable) is separable.pointwise_kernel
    assert _keras.kernel_variable(layers.ReLU()) is None

    lora = dense()
    lora.enable_lora(1)
    assert isinstance(_keras.kernel_variable(lora), keras.Variable)

    depthwise = layers.DepthwiseConv1D(2)
    depthwise.build((None, 4, 2))
    hide(monkeypatch, "_kernel", depthwise)
    assert _keras.kernel_variable(depthwise) is depthwise.kernel


def test_embeddings_variable(monkeypatch):
    layer = layers.Embedding(4, 2)
    layer.build(None)
    table = layer.weights[0]
    assert _keras.embeddings_variable(layer) is table
    monkeypatch.delitem(vars(layer), "_embeddings")
    assert _keras.embeddings_variable(layer) is table


def test_mask_of():
    embedded = layers.Embedding(4, 2, mask_zero=True)(np.array([[1, 0]]))
    mask = _keras.mask_of(embedded)
    assert ops.convert_to_numpy(mask).tolist() == [[True, False]]
    assert _keras.mask_of(ops.ones((1, 2))) is None


def test_named_sublayers():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = layers.Dense(1), layers.Dense(2)

    found = _keras.named_sublayers(Pair())
    assert {name: layer.units for name, layer in found.items()} == {
        "encoder": 1,
        "decoder": 2,
    }


def test_outside_stateless_scope():
    """Within, a variable has its own value; afterwards the scope's again."""
    variable = keras.Variable([1.0])
    with keras.StatelessScope([(variable, ops.zeros(1))]):
        with _keras.outside_stateless_scope():
            assert to_numpy(variable.value).tolist() == [1]
            variable.assign([2.0])
        assert to_numpy(variable.value).tolist() == [0]
    assert to_numpy(variable.value).tolist() == [2]
    with _keras.outside_stateless_scope():
        assert to_numpy(variable.value).tolist() == [2]


def test_in_symbolic_scope(monkeypatch):
    """A layer is asked for shapes first, and then for numbers."""
    seen = []

    class Watched(layers.Layer):
        def call(self, x):
            seen.append(_keras.in_symbolic_scope())
            return x

    Watched()(keras.Input((2,)))
    Watched()(ops.zeros((1, 2)))
    assert seen[0]
    assert not seen[-1]
    module = sys.modules[keras.SymbolicScope.__module__]
    monkeypatch.delattr(module, "in_symbolic_scope")
    with keras.SymbolicScope():
        assert not _keras.in_symbolic_scope()


def test_global_seed_state(monkeypatch):
    state = _keras.global_seed_state()
    before = to_numpy(state).tolist()
    keras.random.normal((1,))
    assert to_numpy(state).tolist() != before
    module = sys.modules[keras.random.SeedGenerator.__module__]
    monkeypatch.delattr(module, "global_seed_generator")
    assert _keras.global_seed_state() is None


def test_has_jax_values():
    model = compiled()
    assert _keras.has_jax_values(model)
    vars(model.trainable_variables[0])["_value"] = None
    assert not _keras.has_jax_values(model)


def test_set_mask():
    """The layer that gets the tensor finds the mask."""

    class Masked(layers.Layer):
        def call(self, inputs, mask=None):
            self.mask = mask
            return inputs

    inputs, layer = ops.ones((1, 2, 1)), Masked()
    layer.supports_masking = True
    _keras.set_mask(inputs, ops.convert_to_tensor([[True, False]]))
    layer(inputs)
    assert ops.convert_to_numpy(layer.mask).tolist() == [[True, False]]


def test_stored_value(monkeypatch):
    variable = keras.Variable([1.0, 2.0])
    with keras.StatelessScope([(variable, ops.zeros(2))]):
        assert to_numpy(_keras.stored_value(variable)).tolist() == [1, 2]

    class Bare:
        value = "the value"

    assert _keras.stored_value(Bare()) == "the value"


def test_waiting_initializer():
    with keras.StatelessScope(initialize_variables=False):
        variable = keras.Variable("ones", shape=(2,))
    assert isinstance(_keras.waiting_initializer(variable), keras.initializers.Ones)
    assert _keras.waiting_initializer(object()) is None


@pytest.mark.parametrize("is_there", [True, False])
def test_preserve_names(monkeypatch, is_there):
    """Without Keras's place for them, names have gaps."""
    layers.Dense(1)
    number = int(layers.Dense(1).name.rpartition("_")[2])
    module = sys.modules[keras.StatelessScope.__module__]
    state = module.global_state
    waiting = len(state.get_global_attribute("uninitialized_variables") or [])
    with monkeypatch.context() as patch:
        if not is_there:
            patch.delattr(module, "global_state")
        with _keras.preserve_names():
            patch.undo()
            assert layers.Dense(1).name == f"dense_{number + 1}"
            with keras.StatelessScope(initialize_variables=False):
                keras.Variable("ones", shape=(2,))
    after = len(state.get_global_attribute("uninitialized_variables") or [])
    assert after == waiting + (not is_there)
    assert layers.Dense(1).name == f"dense_{number + (1 if is_there else 2)}"
    with keras.StatelessScope():
        pass


def test_module_of_softmax(monkeypatch):
    module = _keras.module_of_softmax()
    seen = []

    def watched(*args, **kwargs):
        seen.append(kwargs)
        return original(*args, **kwargs)

    original = module.softmax
    monkeypatch.setattr(module, "softmax", watched)
    layers.Softmax()(np.ones((1, 2), "float32"))
    ops.softmax(ops.ones((1, 2)), axis=-1)
    assert len(seen) == 2
    assert callable(module.dot_product_attention)
    monkeypatch.delattr(module, "softmax")
    assert _keras.module_of_softmax() is None


@pytest.mark.skipif(BACKEND != "torch", reason="PyTorch's devices")
def test_torch_device(monkeypatch):
    assert _keras.torch_device() == ops.zeros(1).device.type
    with keras.device("meta"):
        assert _keras.torch_device() == "meta"
    core = keras.ops.softmax.__globals__["backend"].core
    monkeypatch.delattr(core, "get_device")
    assert _keras.torch_device() is None


def test_set_initial_seed(monkeypatch):
    generator = keras.random.SeedGenerator(3)
    assert _keras.set_initial_seed(generator, None) is generator
    assert generator.get_config()["seed"] is None
    monkeypatch.delattr(generator, "_initial_seed")
    _keras.set_initial_seed(generator, 5)
    assert not hasattr(generator, "_initial_seed")


def compiled():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_compiled_loss(monkeypatch):
    model = compiled()
    assert isinstance(_keras.compiled_loss(model), keras.losses.Loss)
    assert _keras.compiled_loss(keras.Sequential()) is None
    monkeypatch.delitem(vars(model), "_compile_loss")
    assert _keras.compiled_loss(model) is None


def test_metrics_of_loss():
    model = compiled()
    loss = _keras.compiled_loss(model)
    before = _keras.metrics_of_loss(loss)
    assert before == loss.metrics
    assert _keras.metrics_of_loss(None) == []


def test_loss_over(monkeypatch):
    loss = _keras.compiled_loss(compiled())
    absolute = _keras.loss_over(loss, lambda given: "mae")
    assert float(absolute(np.zeros((3, 1)), np.full((3, 1), 2.0))) == 2.0
    assert _keras.loss_over(None, lambda given: given) is None
    monkeypatch.delattr(loss, "_user_loss")
    assert _keras.loss_over(loss, lambda given: given) is None


def test_trained_variables(monkeypatch):
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    assert _keras.trained_variables(model.optimizer) == model.trainable_variables
    monkeypatch.delitem(vars(model.optimizer), "_trainable_variables")
    assert _keras.trained_variables(model.optimizer) == []


def test_is_decayed(monkeypatch):
    model = compiled()
    kernel, bias = model.trainable_variables[:2]
    assert not _keras.is_decayed(model.optimizer, kernel)
    optimizer = keras.optimizers.SGD(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_list=[bias])
    before = dict(vars(optimizer))
    found = [_keras.is_decayed(optimizer, each) for each in (kernel, bias)]
    assert found == [True, False]
    assert vars(optimizer) == before
    hide(monkeypatch, "_use_weight_decay", optimizer)
    assert _keras.is_decayed(optimizer, bias)


ANSWER = (
    "This release of Keras does not show the first batch of `fit` to callbacks on JAX. "
    "Call `keras_initx.lsuv(model, x)` before `fit` instead."
)


@pytest.mark.skipif(BACKEND != "jax", reason="of JAX's trainer")
def test_detach_jax_state():
    model = compiled()
    model.optimizer.build(model.trainable_variables)
    values = [to_numpy(v) for v in model.trainable_variables]
    state = _keras.detach_jax_state(model)
    for value, part in zip(values, state[0], strict=True):
        np.testing.assert_array_equal(value, to_numpy(part))
    _keras.attach_jax_state(model, state)
    for value, variable in zip(values, model.trainable_variables, strict=True):
        np.testing.assert_array_equal(value, to_numpy(variable))


def test_attach_jax_state():
    """Another backend has no such state, as a release of Keras may have none."""
    for function, arguments in (
        (_keras.attach_jax_state, [()]),
        (_keras.detach_jax_state, []),
    ):
        with pytest.raises(NotImplementedError, match=rf"\A{re.escape(ANSWER)}\Z"):
            function(object(), *arguments)


def test_spec_of_one_replica():
    class Distributed:
        _value_specs = ("first", "second")

    assert _keras.spec_of_one_replica(Distributed()) == "first"
    assert _keras.spec_of_one_replica("alone") == "alone"


# All of them


def test_each_function_is_exercised():
    functions = [
        name
        for name, member in vars(_keras).items()
        if inspect.isfunction(member)
        and member.__module__ == _keras.__name__
        and not name.startswith("_")
    ]
    assert functions
    for name in functions:
        assert f"test_{name}" in globals(), name


def test_private_names_of_others_stand_in_one_file():
    """An attribute with an underscore, which no file of ours defines, is another's."""
    sources = {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in PACKAGE.rglob("*.py")
    }
    ours, used = {"_replace", "_asdict"}, {}
    for tree in sources.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                ours.add(node.name)
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                targets = getattr(node, "targets", None) or [node.target]
                ours |= {_name(target) for target in targets}
            elif isinstance(node, ast.alias):
                ours.add(node.name.rpartition(".")[2])
    for file, tree in sources.items():
        if file != "_keras.py":
            for node in ast.walk(tree):
                is_private = isinstance(node, ast.Attribute | ast.Constant)
                name = getattr(node, "attr", getattr(node, "value", None))
                if is_private and isinstance(name, str) and _is_private(name):
                    used[f"{file}: {name}"] = name
    assert [place for place, name in used.items() if name not in ours] == []


def _name(target):
    is_own = isinstance(target, ast.Attribute) and _is_self(target.value)
    return target.attr if is_own else getattr(target, "id", "")


def _is_self(node):
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def _is_private(name):
    return re.fullmatch(r"_[a-z]\w*", name) is not None
