"""WebRTC audio from browsers: offers checked, packets limited, losses concealed."""
