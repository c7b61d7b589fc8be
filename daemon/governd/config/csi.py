"""The settings of the CSI node plugin, by which pods get sockets of their own."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from governd.config.fields import AbsolutePath, Section

DRIVER = "csi.governd.io"
"""What pods name as the volume's ``driver``, and the CSIDriver object's name."""
_BY_DEFAULT = Path("/var/lib/kubelet")
_SOCKET = Path("plugins", DRIVER, "csi.sock")
_REGISTRATION = Path("plugins_registry", f"{DRIVER}-reg.sock")
_ABOVE = ".."


class Csi(Section):
    """The CSI node plugin: a socket in each pod that mounts a volume of ``csi.governd.io``."""

    enabled: bool = False
    """Whether governd serves the plugin."""
    kubelet_directory: AbsolutePath = _BY_DEFAULT
    """Kubelet's root directory, at the same path for governd as for kubelet."""
    socket: Annotated[AbsolutePath, Field(validate_default=True)] = _BY_DEFAULT / _SOCKET
    """Where kubelet asks for volumes; governd keeps its directory at mode 0700. Default:
    ``plugins/csi.governd.io/csi.sock`` in kubelet's directory."""
    registration_socket: Annotated[AbsolutePath, Field(validate_default=True)] = (
        _BY_DEFAULT / _REGISTRATION
    )
    """Where kubelet finds the plugin. Default:
    ``plugins_registry/csi.governd.io-reg.sock`` in kubelet's directory."""
    republish_seconds: float = Field(300.0, ge=200, le=86_400)
    """How long a pod's socket stays that kubelet does not ask for, once the pod's directory is
    gone, or once kubelet knows a governd that was restarted. Kubelet asks every 60 to 90 s."""
    volumes: int = Field(1024, ge=1, le=4096)
    """Sockets of pods at the same time."""
    volumes_per_pod: int = Field(4, ge=1, le=64)
    """Of one pod."""

    @field_validator("kubelet_directory")
    @classmethod
    def _as_kubelet_writes_it(cls, directory: Path) -> Path:
        """What kubelet sends is compared with it as a text."""
        if _ABOVE in directory.parts:
            message = 'expected a path without ".."'
            raise ValueError(message)
        return directory

    @field_validator("socket", "registration_socket")
    @classmethod
    def _below_kubelets_directory(cls, socket: Path, info: ValidationInfo) -> Path:
        """Moves what was not configured along with kubelet's directory."""
        directory = info.data.get("kubelet_directory", _BY_DEFAULT)
        by_default = cls.model_fields[str(info.field_name)].default
        return directory / socket.relative_to(_BY_DEFAULT) if socket == by_default else socket
