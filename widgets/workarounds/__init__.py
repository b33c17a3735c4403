"""Uses of private parts of Streamlit and streamlit-webrtc, and the reasons for them.

==========================  =======================  ==============================================
Module                      Written for              Can go when
==========================  =======================  ==============================================
``streamlit_runtime``       Streamlit 1.67           it has a public way to its event loop, to
                                                     sessions, uploads, and its cookies and tokens
``streamlit_storage``       Streamlit 1.67           session and upload storage are settings
``streamlit_reruns``        Streamlit 1.67           a download and a typed value survive a rerun
``streamlit_hardening``     Streamlit 1.67           address look-ups and developer messages can be
                                                     turned off
``streamlit_webrtc``        streamlit-webrtc 0.79    offers and component state are validated, the
                                                     ICE cache is bounded, and a slow rerun is not
                                                     taken for a page that was left
==========================  =======================  ==============================================

Each ``install_*`` function replaces a part once; calling it again does nothing. After an upgrade
run ``tests/unit/widgets/workarounds`` and ``tests/browser``.
"""
