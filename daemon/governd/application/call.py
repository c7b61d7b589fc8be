"""The call being served."""

from governd.endpoints.calls import Call, current, serving

__all__ = ["Call", "current", "serving"]
