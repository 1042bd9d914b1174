"""Jobs, API keys, settings, saved views, changes, and what staff prefer."""

from recsite.operations.models.api_key import ApiKey
from recsite.operations.models.change import Change
from recsite.operations.models.job import Job
from recsite.operations.models.setting import SavedView, Setting
from recsite.operations.models.staff_preferences import StaffPreferences

__all__ = ["ApiKey", "Change", "Job", "SavedView", "Setting", "StaffPreferences"]
