"""Voltage (or another output) sample by sample: one streaming contract for every estimator."""

from evitals.estimators.voltage.contract import Estimator, estimator

__all__ = ["Estimator", "estimator"]
