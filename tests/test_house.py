"""The rules of the house: DESIGN section 1 and STYLE, held by reading the source."""

import ast
import doctest
import enum
import importlib
import inspect
import re
import sys
from pathlib import Path

import keras
import pytest

import keras_initx

PACKAGE = Path(keras_initx.__file__).parent
README = Path(__file__).parents[1] / "README.md"
GUIDE = sorted((README.parent / "docs" / "guide").glob("*.md"))
OTHER_PAGES = ["docs/index.md", *(f"docs/guide/{path.name}" for path in GUIDE)]
PAGES = [
    "README.md",
    *(pytest.param(p, marks=pytest.mark.same_on_each_backend) for p in OTHER_PAGES),
]
FRAMEWORKS = {"jax", "tensorflow", "torch"}
# What pyproject.toml declares. An extra may be missing, so a function imports it; and
# who has pandas gets its tables.
DEPENDENCIES = {*sys.stdlib_module_names, "h5py", "keras", "numpy", "keras_initx"}
EXTRAS = {"matplotlib", "pandas"}
SOURCES = {
    path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
}

# The floors of the house. A room imports those of the floors below it, and itself.
FLOORS = (
    {"_validate", "_keras"},
    {"_registry"},
    {"_backend"},
    {"_kernel"},
    {"_model", "_report"},
    {"config", "activations"},
    {"initializers", "layers", "constraints"},
    {"schemes", "diagnostics", "saving"},
    {"callbacks"},
)
# A private file may stand beside the public names; a private folder has plain ones.
PRIVATE_FILES = {"_validate", "_registry", "_keras"}


def every_source(test):
    """Makes one test of all files, because so many small ones would take longer."""

    def on_each_file():
        failed = []
        for file in SOURCES:
            try:
                test(file)
            except AssertionError as error:
                failed.append(f"{file}: {error}")
        assert not failed, "\n".join(failed)

    on_each_file.__name__, on_each_file.__doc__ = test.__name__, test.__doc__
    return on_each_file


every_init = pytest.mark.parametrize(
    "file", [file for file in SOURCES if file.endswith("__init__.py")]
)
# Each of these has a file for each framework.
BACKEND_FOLDERS = sorted(
    {Path(file).parent.as_posix() for file in SOURCES if Path(file).stem in FRAMEWORKS}
)
every_backend_file = pytest.mark.parametrize(
    "file",
    [
        f"{folder}/{framework}.py"
        for folder in BACKEND_FOLDERS
        for framework in sorted(FRAMEWORKS)
    ],
)


def imports_of(file, nodes=None):
    """Every module, or name in a module, that a file imports, with its full name."""
    names = []
    for node in ast.walk(SOURCES[file]) if nodes is None else nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            names += [f"{node.module}.{alias.name}" for alias in node.names]
    return names


def parts_imported_by(file):
    """The parts of our own package that a file imports: folders and private files."""
    return {
        name.split(".")[1]
        for name in imports_of(file)
        if name.startswith("keras_initx.")
    }


def part_of(file):
    """The folder or private file to which a source belongs; the package has none."""
    first = file.split("/")[0].removesuffix(".py")
    return "" if first == "__init__" else first


def public_names(tree):
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
    }


# Imports


@every_source
def test_imports_are_absolute_and_of_declared_packages(file):
    allowed = DEPENDENCIES
    if file.startswith("_backend/"):
        allowed = DEPENDENCIES | ({Path(file).stem} & FRAMEWORKS)
    at_import = imports_of(file, SOURCES[file].body)
    assert {name.split(".")[0] for name in at_import} <= allowed
    assert {name.split(".")[0] for name in imports_of(file)} <= allowed | EXTRAS


@every_source
def test_only_public_names_of_keras_are_used(file):
    assert not [name for name in imports_of(file) if name.startswith("keras.src")]
    attributes = {
        ast.unparse(node)
        for node in ast.walk(SOURCES[file])
        if isinstance(node, ast.Attribute)
    }
    assert "keras.src" not in attributes


@every_source
def test_random_numbers_come_from_one_place(file):
    """`random` draws, by the functions of `_backend` or from `portable`."""
    harmless = {"keras.random.SeedGenerator", "np.random.SeedSequence"}
    named = {
        ast.unparse(node)
        for node in ast.walk(SOURCES[file])
        if isinstance(node, ast.Attribute)
        and re.fullmatch(r"(.*\.)?random", ast.unparse(node.value))
    }
    if file == "_backend/global_seeds.py":
        return  # It keeps the states of the generators, and draws nothing.
    draws = file in ("_kernel/random.py", "_kernel/portable.py") or file.startswith(
        "_backend/"
    )
    assert draws or named <= harmless
    imported = [name for name in imports_of(file) if name.startswith("random")]
    assert not imported


def test_every_room_has_its_floor():
    rooms = {part_of(file) for file in SOURCES} - {""}
    assert rooms <= set().union(*FLOORS)


@every_source
def test_imports_run_one_way(file):
    room = part_of(file)
    if room:
        floor = next(floor for floor, rooms in enumerate(FLOORS) if room in rooms)
        below = set().union(*FLOORS[:floor])
        assert parts_imported_by(file) <= {room, *below}


# Files


@every_source
def test_a_path_has_one_private_part(file):
    """A folder is public and its files are private, or it is private itself."""
    parts = [part for part in file.removesuffix(".py").split("/") if part != "__init__"]
    is_private = [part.startswith("_") for part in parts]
    assert is_private in (sorted(is_private), [*is_private[:-1], False])
    assert sum(is_private) == (0 if file.endswith("__init__.py") else 1) or (
        file.endswith("__init__.py") and sum(is_private) == 1
    )


def test_three_private_files_stand_at_the_top():
    at_top = {Path(file).stem for file in SOURCES if "/" not in file}
    assert at_top <= {"__init__", *PRIVATE_FILES}


def test_no_two_files_have_one_name():
    """But where folders mirror each other: a callback and its scheme, backends."""
    names = [Path(file).stem for file in SOURCES if not file.endswith("__init__.py")]
    mirrored = {"_lsuv", *FRAMEWORKS}
    assert {name for name in names if names.count(name) > 1} <= mirrored


@every_source
def test_a_file_says_what_it_is_for(file):
    assert ast.get_docstring(SOURCES[file])


@every_init
@pytest.mark.same_on_each_backend(every=9)
def test_an_init_file_only_exports(file):
    if file.startswith("_backend/"):
        # It takes the file of the backend that runs.
        return
    _, *statements = SOURCES[file].body
    if file == "__init__.py":
        *statements, version = statements
        assert re.fullmatch(r"__version__ = '\d+\.\d+\.\d+'", ast.unparse(version))
    for statement in statements:
        assert isinstance(statement, ast.ImportFrom)
        assert statement.module.startswith("keras_initx")
        for alias in statement.names:
            assert alias.asname == alias.name


@every_source
def test_product_code_has_no_assert(file):
    assert not [n for n in ast.walk(SOURCES[file]) if isinstance(n, ast.Assert)]


# Backends


def test_each_backend_has_its_file():
    names = {Path(file).stem for file in SOURCES if file.startswith("_backend/")}
    assert names >= FRAMEWORKS


@every_backend_file
def test_each_backend_offers_the_same_functions(file):
    def signatures(of):
        return {
            name: (ast.unparse(node.args), ast.unparse(node.returns))
            for name, node in public_names(SOURCES[of]).items()
        }

    assert signatures(file) == signatures(f"{Path(file).parent.as_posix()}/jax.py")


@every_backend_file
def test_each_function_of_a_backend_is_exported(file):
    folder = Path(file).parent.as_posix()
    module = f"keras_initx.{folder.replace('/', '.')}.{Path(file).stem}"
    exported = {
        name.removeprefix(f"{module}.")
        for name in imports_of(f"{folder}/__init__.py")
        if name.startswith(f"{module}.")
    }
    assert exported == set(public_names(SOURCES[file]))


# Documentation


def public_objects():
    """What a user finds in the public folders, by its path."""
    folders = [part_of(file) for file in SOURCES if re.fullmatch(r"[a-z]\w*/.*", file)]
    found = {}
    for folder in dict.fromkeys(folders):
        module = importlib.import_module(f"keras_initx.{folder}")
        for name, member in vars(module).items():
            if not name.startswith("_") and callable(member):
                found[f"{folder}.{name}"] = member
    return found


PUBLIC = public_objects()
every_public_object = pytest.mark.parametrize("path", PUBLIC)
SECTIONS = ("Examples", "Args", "Call arguments", "Returns", "Raises", "Reference")


def sections_of(member):
    """The sections of a docstring, in their order."""
    text = inspect.getdoc(member)
    pattern = "|".join(SECTIONS)
    starts = [*re.finditer(rf"^({pattern}):$", text, re.MULTILINE)]
    ends = [start.start() for start in starts[1:]] + [len(text)]
    return {
        start[1]: text[start.end() : end]
        for start, end in zip(starts, ends, strict=True)
    }


def parameters_of(member):
    """What it is called with; names of one kind are only compared."""
    is_names = inspect.isclass(member) and issubclass(member, enum.Enum)
    return {} if is_names else inspect.signature(member).parameters


def test_something_is_public():
    assert {"initializers.OrthogonalDelta", "layers.CReLU"} <= set(PUBLIC)


@every_public_object
@pytest.mark.same_on_each_backend(every=9)
def test_a_docstring_has_its_sections_in_order(path):
    found = list(sections_of(PUBLIC[path]))
    assert found == sorted(found, key=SECTIONS.index)
    assert "Examples" in found
    assert ("Args" in found) == bool(parameters_of(PUBLIC[path]))
    if path.startswith("initializers."):
        assert "Reference" in found


@every_public_object
@pytest.mark.same_on_each_backend(every=9)
def test_a_docstring_describes_each_argument_in_order(path):
    text = sections_of(PUBLIC[path]).get("Args", "")
    described = re.findall(r"^    \*{0,2}(\w+):", text, re.M)
    assert described == list(parameters_of(PUBLIC[path]))


@every_public_object
@pytest.mark.same_on_each_backend(every=9)
def test_a_docstring_names_each_default(path):
    text = sections_of(PUBLIC[path]).get("Args", "")
    entries = re.split(r"\n    (?=\S)", text)[1:]
    parameters = parameters_of(PUBLIC[path]).values()
    for entry, parameter in zip(entries, parameters, strict=True):
        has_default = parameter.default is not inspect.Parameter.empty
        assert has_default == bool(re.search(r"Defaults\s+to", entry)), entry


@every_public_object
def test_the_examples_of_a_docstring_run(path):
    member = PUBLIC[path]
    names = {"keras": keras, "keras_initx": keras_initx}
    tests = doctest.DocTestFinder(recurse=False).find(member, path, globs=names)
    assert sum(len(test.examples) for test in tests) > 0
    said = []
    runner = doctest.DocTestRunner(verbose=False)
    for test in tests:
        # An example in the middle of a line would be text that nobody runs.
        assert len(test.examples) == test.docstring.count(">>> ")
        runner.run(test, out=said.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(said)


@pytest.mark.skipif(not README.exists(), reason="there is no README beside the tests")
@pytest.mark.parametrize("page", PAGES)
def test_the_python_of_a_page_runs(page):
    names = {"keras": keras, "keras_initx": keras_initx}
    for block in blocks((README.parent / page).read_text("utf-8")):
        exec(compile(block, page, "exec"), names)


def blocks(text):
    """The Python of a page in Markdown."""
    return re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
