"""The titles of our docstrings, as the documentation's reader of docstrings knows them."""

import griffe


class Titles(griffe.Extension):
    """Tells that an example is code: as text its prompts would be quotations."""

    def on_instance(self, *, obj, **kwargs):
        if obj.docstring:
            obj.docstring.value = obj.docstring.value.replace("\nExample:", "\nExamples:")
