# What type checkers and editors read in place of the lazy face; a test holds the two together.
from leadml.card import Card as Card
from leadml.card import load_card as load_card
from leadml.estimators import PolicyClassifier as PolicyClassifier
from leadml.estimators import RubricEncoder as RubricEncoder
from leadml.estimators import ScorecardClassifier as ScorecardClassifier
from leadml.exceptions import InputError as InputError
from leadml.exceptions import LeadmlError as LeadmlError
from leadml.exceptions import TooFewDealsError as TooFewDealsError
from leadml.exceptions import UsageError as UsageError
from leadml.frameworks import Framework as Framework
from leadml.frameworks import Policy as Policy
from leadml.frameworks import list_frameworks as list_frameworks
from leadml.frameworks import list_policies as list_policies
from leadml.frameworks import load_framework as load_framework
from leadml.frameworks import load_policy as load_policy
from leadml.leads.mapping import load_mapping as load_mapping
from leadml.leads.model import Leads as Leads
from leadml.leads.read import read_leads as read_leads
from leadml.leads.sample import make_leads as make_leads
from leadml.workflows.calibrate import Calibration as Calibration
from leadml.workflows.calibrate import calibrate as calibrate
from leadml.workflows.experiment import Experiment as Experiment
from leadml.workflows.score import load_model as load_model

__version__: str
