"""What comes from browsers over WebRTC: offers checked, packets bounded, sound handed on."""
