"""Jobs, API keys, settings and saved views."""

from recsite.operations.models.api_key import ApiKey
from recsite.operations.models.job import Job
from recsite.operations.models.setting import SavedView, Setting

__all__ = ["ApiKey", "Job", "SavedView", "Setting"]
