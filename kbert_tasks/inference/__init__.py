"""Predict with Keras or OpenVINO."""
