# SPDX-License-Identifier: MIT
"""Models made by Python, in the way of a MAD package."""
import dataclasses

from madengine.utils.discover_models import CustomModel

print("this must not get into the answer")


@dataclasses.dataclass
class Late(CustomModel):
    """One whose members are only known once it is selected."""

    extra: str = "added"

    def update_model(self):
        self.args = "--late " + self.name
        self.scripts = "run.sh"
        print("nor this")


def list_models():
    return [
        CustomModel(name="model3", dockerfile="docker/plain", scripts="run.sh", tags=["group_3"]),
        Late(name="model4", dockerfile="docker/plain", n_gpus="2", tags=["group_1", "group_3"]),
    ]
