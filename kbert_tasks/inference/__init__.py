"""Prediction with Keras or OpenVINO."""
