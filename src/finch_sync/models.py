"""The base of all that is read and written."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """Checked data. Its checks are put together when it is first used: a cold start uses a few of all models."""

    model_config = ConfigDict(defer_build=True)
