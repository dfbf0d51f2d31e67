"""Pictures below the cell of a notebook that trains."""

import sys


class NotebookPicture:
    """One picture in a cell's output, which each later one replaces. Elsewhere nothing happens."""

    def __init__(self):
        self._handle = None

    def show(self, png):
        """Shows the bytes of a PNG file."""
        if not _in_notebook():
            return
        from IPython import display

        image = display.Image(data=png)
        if self._handle is None:
            self._handle = display.display(image, display_id=True)
        else:
            self._handle.update(image)


def _in_notebook():
    # Never imported for this: who runs a notebook has it. In a terminal there is no kernel, and
    # IPython would print the name of a class for a picture.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return getattr(shell, "kernel", None) is not None
