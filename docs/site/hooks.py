"""The pages that nobody writes by hand: the reference from `__all__`, the gallery from examples.

MkDocs calls these functions while it builds the site.
"""

import ast
import pathlib
import re

from mkdocs.structure.files import File

ROOT = pathlib.Path(__file__).parents[2]


def on_config(config):
    """Adds these pages to the navigation."""
    config.nav += [
        {"Gallery": [path for path, _ in sorted(gallery(), key=lambda page: page[0])]},
        {"Reference": [{folder: paths} for folder, paths in _by_folder(reference()).items()]},
    ]
    return config


def _by_folder(pages):
    folders = {}
    for path, _ in pages:
        folders.setdefault(path.split("/")[1], []).append(path)
    return folders


def on_files(files, config):
    """Adds a page for each public name and for each example."""
    for path, content in [*reference(), *gallery()]:
        files.append(File.generated(config, path, content=content))
    return files


def reference():
    """Yields the path and the text of a page for each folder and each of its names."""
    for folder, names in public_names().items():
        module = f"keras_vae.{folder}"
        summary = docstring(module_path(folder)).splitlines()[0]
        links = "\n".join(f"- [`{name}`]({name}.md)" for name in names)
        yield f"reference/{folder}/index.md", f"# {module}\n\n{summary}\n\n{links}\n"
        for name in names:
            page = f"---\ntitle: {name}\n---\n\n::: {module}.{name}\n"
            yield f"reference/{folder}/{name}.md", page


def public_names():
    """Returns {module of keras_vae: its public names}, read without importing anything."""
    paths = sorted((ROOT / "keras_vae").glob("[!_]*"))
    folders = [path.stem for path in paths if path.suffix == ".py" or path.is_dir()]
    return {folder: all_of(module_path(folder)) for folder in folders}


def module_path(folder):
    path = ROOT / "keras_vae" / f"{folder}.py"
    return path if path.exists() else ROOT / "keras_vae" / folder / "__init__.py"


def all_of(path):
    """Returns the list `__all__` of a module."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "__all__":
            return ast.literal_eval(node.value)
    raise ValueError(f"{path} has no list __all__.")


def docstring(path):
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def gallery():
    """Yields the path and the text of a page for each row of the table of the examples."""
    table = (ROOT / "examples" / "README.md").read_text()
    rows = re.findall(r'^\| \[(.*)\.py\]\(.*?\) \| (.*?) \| <img src="(.*?)"', table, re.MULTILINE)
    cards = []
    for name, sentence, picture in rows:
        picture = picture.removeprefix("../docs/")
        path = ROOT / "examples" / f"{name}.py"
        title, _, text = docstring(path).partition("\n")
        source = path.read_text().split('"""', 2)[2].strip()
        page = f"# {title}\n\n{text.strip()}\n\n![{sentence}](../{picture})\n\n"
        yield f"gallery/{name}.md", f"{page}```python\n{source}\n```\n"
        cards.append(f"## [{title}]({name}.md)\n\n{sentence}\n\n![{sentence}](../{picture})\n")
    yield "gallery/index.md", "# Gallery\n\n" + "\n".join(cards)
