"""Turn a customer's record into the numbers that the model takes. Training and scoring share this module."""

NAMES = [
    "tenure_months",
    "monthly_charge",
    "support_calls",
    "contract_months",
    "pays_automatically",
    "charge_per_call",
]
CONTRACTS = {"monthly": 1, "yearly": 12, "two-year": 24}
LIMIT = 1e6  # NaN and infinity are not below it either


def row(customer):
    """Return one customer's features in the order of NAMES; raise ValueError naming a field that is wrong."""
    if not isinstance(customer, dict):
        raise ValueError("a customer must be an object")
    tenure, charge, calls = (number(customer, name) for name in NAMES[:3])
    contract = customer.get("contract")
    if not isinstance(contract, str) or contract not in CONTRACTS:
        raise ValueError(f"contract must be one of {', '.join(CONTRACTS)}")
    automatic = customer.get("pays_automatically")
    if not isinstance(automatic, bool):
        raise ValueError("pays_automatically must be true or false")
    return [tenure, charge, calls, CONTRACTS[contract], float(automatic), charge / (1 + calls)]


def number(customer, name):
    """Return the field as a float, or raise ValueError."""
    value = customer.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LIMIT:
        raise ValueError(f"{name} must be a number from 0 to below a million")
    return float(value)
