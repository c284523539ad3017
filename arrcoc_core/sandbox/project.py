"""The one project of a sandbox."""

PROJECT = "arrcoc-sandbox"
PROJECT_NUMBER = "417352086914"
OWNER = f"owner@{PROJECT}.iam.gserviceaccount.com"
"""The account of key.json: it may do everything."""
BILLING_ACCOUNT = "billingAccounts/01A2B3-C4D5E6-F70819"
