"""Jobs and API keys."""

from recsite.operations.models.api_key import ApiKey
from recsite.operations.models.job import Job

__all__ = ["ApiKey", "Job"]
