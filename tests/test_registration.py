"""Importing the package adds its names to Keras, and changes nothing else."""

import importlib
import inspect
import json
import re
import sys
from pathlib import Path

import keras
import public_names
import pytest
from catalogue import CATALOGUE, run_python

import keras_initx

FOLDERS = (
    "activations",
    "callbacks",
    "config",
    "constraints",
    "diagnostics",
    "initializers",
    "layers",
    "saving",
    "schemes",
)
# The activations themselves, with their ids; the folder's other functions are about
# activations.
ACTIVATIONS = {"lecun_tanh": keras_initx.activations.lecun_tanh}

CONSTRAINTS = {"orthonormal": keras_initx.constraints.Orthonormal}


def public_classes():
    """Every class that a public folder offers, by its folder and name."""
    return [
        (folder, member)
        for folder in FOLDERS
        for member in vars(importlib.import_module(f"keras_initx.{folder}")).values()
        if inspect.isclass(member)
    ]


CLASSES = public_classes()
# What saved models name; callbacks, rules and verdicts are no part of a model.
SAVED = [
    *(
        (f, cls)
        for f, cls in CLASSES
        if f not in ("callbacks", "schemes", "diagnostics")
    ),
    *(("activations", function) for function in ACTIVATIONS.values()),
]
every_public_class = pytest.mark.parametrize(
    ("folder", "cls"), CLASSES, ids=lambda value: getattr(value, "__name__", value)
)
every_id = pytest.mark.parametrize(
    ("row", "short_id"),
    [(row, short_id) for row in CATALOGUE for short_id in row.ids],
    ids=lambda value: value if isinstance(value, str) else "",
)
every_class = pytest.mark.parametrize("row", CATALOGUE, ids=lambda row: row.name)


# Names


def test_the_folders_are_the_public_ones():
    package = Path(keras_initx.__file__).parent
    folders = {path.parent.name for path in package.glob("[!_]*/__init__.py")}
    assert folders == set(FOLDERS)


@every_public_class
@pytest.mark.same_on_each_backend
def test_a_class_is_importable_from_its_folder_and_from_the_package(folder, cls):
    assert cls.__module__ == f"keras_initx.{folder}"
    assert getattr(importlib.import_module(cls.__module__), cls.__name__) is cls
    assert getattr(keras_initx, cls.__name__) is cls


@pytest.mark.parametrize(("folder", "cls"), SAVED)
def test_a_class_is_registered_with_keras(folder, cls):
    full_name = f"keras_initx>{cls.__name__}"
    assert keras.saving.get_registered_name(cls) == full_name
    assert keras.saving.get_registered_object(full_name) is cls
    assert keras.saving.get_custom_objects()[full_name] is cls


def test_only_public_classes_and_their_ids_are_registered():
    ours = {
        name
        for name, value in keras.saving.get_custom_objects().items()
        if getattr(value, "__module__", "").startswith("keras_initx")
    }
    assert ours == {f"keras_initx>{cls.__name__}" for _, cls in SAVED} | {
        *(short_id for row in CATALOGUE for short_id in row.ids),
        *ACTIVATIONS,
        *CONSTRAINTS,
    }


def config(row):
    """Arguments that a config of the class may have."""
    return {**row.required, **({"seed": 3} if row.is_random else {})}


@every_id
def test_a_short_id_is_registered_as_the_class(row, short_id):
    assert keras.saving.get_custom_objects()[short_id] is row.cls


@every_id
def test_a_short_id_resolves(row, short_id):
    from_string = keras.initializers.get(short_id)
    from_dict = keras.initializers.get({"class_name": short_id, "config": config(row)})
    assert type(from_string) is type(from_dict) is row.cls
    assert from_dict.get_config() == row.make(**config(row)).get_config()


@every_class
def test_a_full_name_resolves(row):
    full_name = f"keras_initx>{row.name}"
    from_dict = keras.initializers.get({"class_name": full_name, "config": config(row)})
    assert type(from_dict) is row.cls
    assert from_dict.get_config() == row.make(**config(row)).get_config()
    if not row.required:
        assert type(keras.initializers.get(full_name)) is row.cls


@every_class
def test_a_class_and_an_instance_resolve(row):
    instance = row.make(**config(row))
    if not row.required:
        assert type(keras.initializers.get(row.cls)) is row.cls
    assert keras.initializers.get(instance) is instance


@every_id
def test_a_string_gives_a_new_instance_each_time(row, short_id):
    one, other = (keras.initializers.get(short_id) for _ in range(2))
    assert one is not other
    assert not row.is_random or one.seed != other.seed


@pytest.mark.parametrize("short_id", ACTIVATIONS)
def test_an_activation_resolves_by_its_id_and_its_config(short_id):
    function = ACTIVATIONS[short_id]
    assert keras.saving.get_custom_objects()[short_id] is function
    assert keras.activations.get(short_id) is function
    assert keras.activations.get(keras.activations.serialize(function)) is function
    assert getattr(keras_initx, function.__name__) is function
    assert function.__module__ == "keras_initx.activations"


# What the import leaves alone

WITHOUT_US = """
import inspect, json, sys
import keras

names = json.loads(sys.argv[1])
known = {name: getattr(keras.activations, name) for name in dir(keras.activations)}

def resolves(function, *identifiers):
    for identifier in identifiers:
        try:
            found = function(identifier)
        except Exception:
            continue
        # Some functions hand back what they do not know.
        if found is not None and not isinstance(found, (str, dict)):
            return True
    return False

def modules_in(module):
    return dict(inspect.getmembers(module, inspect.ismodule))

spaces = {name: module for name, module in modules_in(keras).items() if name != "src"}
for space, module in list(spaces.items()):
    inner = modules_in(module) if module.__name__.startswith("keras.") else {}
    spaces.update({f"{space}.{name}": value for name, value in inner.items()})
lookups = {
    f"{space}.{verb}": getattr(module, verb)
    for space, module in spaces.items()
    for verb in ("get", "deserialize")
    if hasattr(module, verb)
}
resolved = [
    f"{lookup}({name!r})"
    for lookup, function in lookups.items()
    for name in names
    if resolves(
        function,
        name,
        {"class_name": name, "config": {}},
        *(
            {"module": module, "class_name": name, "config": {}, "registered_name": of}
            for module in (f"keras.{lookup.rpartition('.')[0]}", "keras_initx.layers")
            for of in (None, name, f"keras_initx>{name}")
        ),
    )
]
of_keras = {
    name
    for module in (keras, *spaces.values())
    for name, _ in inspect.getmembers(module, inspect.isclass)
}

before = set(sys.modules)
custom = dict(keras.saving.get_custom_objects())
strings = [name for name, value in known.items() if resolves(
    keras.activations.get, name)]
probes = {"relu": keras.activations, "orthogonal": keras.initializers}
found = {name: type(space.get(name)) for name, space in probes.items()}

# First with a backend of another name; nothing of that attempt stays.
running, keras.backend.backend = keras.backend.backend, lambda: "numpy"
try:
    import keras_initx
except ImportError as error:
    refused = str(error)
keras.backend.backend = running
for name in [name for name in sys.modules if name.startswith("keras_initx")]:
    del sys.modules[name]
untouched = keras.saving.get_custom_objects() == custom

import keras_initx
print(json.dumps({
    "refused": refused,
    "untouched": untouched,
    "lookups": sorted(lookups),
    "resolved": sorted(resolved),
    "of_keras": sorted(of_keras),
    "imported": sorted(set(sys.modules) - before),
    "overwritten": [
        name for name, value in custom.items()
        if keras.saving.get_custom_objects().get(name) is not value
    ],
    "changed": [
        name for name, space in probes.items()
        if type(space.get(name)) is not found[name]
    ] + [
        name for name, value in known.items()
        if getattr(keras.activations, name) is not value
        or (name in strings and keras.activations.get(name) is not value)
    ],
}))
"""


@pytest.fixture(scope="module")
def without_us():
    """What Keras knew before we were imported, and what the import changed."""
    names = ["orthogonal", "ReLU"]
    names += [short_id for row in CATALOGUE for short_id in row.ids]
    names += ACTIVATIONS
    names += [cls.__name__ for _, cls in CLASSES]
    names += [f"keras_initx>{cls.__name__}" for _, cls in SAVED]
    done = run_python(WITHOUT_US, json.dumps(names))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_no_name_of_ours_had_a_meaning_before(without_us):
    assert without_us["resolved"] == [
        "initializers.deserialize('orthogonal')",
        "initializers.get('orthogonal')",
        "layers.deserialize('ReLU')",
    ]


def test_every_lookup_of_keras_was_asked(without_us):
    spaces = (
        "activations constraints dtype_policies initializers layers losses metrics "
        "optimizers optimizers.schedules regularizers"
    )
    assert {f"{space}.deserialize" for space in spaces.split()} <= {
        *without_us["lookups"]
    }


def test_no_class_has_the_name_of_a_keras_class(without_us):
    assert {"Orthogonal", "Dense", "Adam"} <= {*without_us["of_keras"]}
    assert not {cls.__name__ for _, cls in CLASSES} & {*without_us["of_keras"]}


def test_the_import_overwrites_nothing(without_us):
    assert without_us["overwritten"] == []
    assert without_us["changed"] == []


def test_the_import_brings_no_package_that_keras_had_not_brought(without_us):
    packages = {name.partition(".")[0] for name in without_us["imported"]}
    assert packages - set(sys.stdlib_module_names) == {"keras_initx"}


def test_the_import_does_not_wait_for_what_a_report_needs(without_us):
    """It was a third of its time."""
    names = set(without_us["imported"])
    assert "keras_initx.diagnostics._signal_report" in names
    assert not {name for name in names if re.search("_measure|_show", name)}


def test_a_backend_that_is_not_supported_is_refused(without_us):
    """Keras starts no other backend everywhere, so that one is only named here."""
    assert without_us["untouched"]
    assert without_us["refused"] == (
        "keras_initx needs the Keras backend 'tensorflow', 'jax' or 'torch'. "
        "Received: 'numpy'. Set the environment variable KERAS_BACKEND."
    )


def test_public_names_are_a_file_format():
    """A name, an argument or an id that changes breaks saved models and programs."""
    saved = Path(__file__).parent / "saved" / "public_names.json"
    assert public_names.text() == saved.read_text("utf-8")
