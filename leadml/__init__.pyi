# What type checkers and editors read in place of the lazy face; a test holds the two together.
from leadml.calibration.experiment import Experiment as Experiment
from leadml.calibration.output import Calibration as Calibration
from leadml.calibration.run import calibrate as calibrate
from leadml.card.record import Card as Card
from leadml.card.record import load_card as load_card
from leadml.data.deals import Leads as Leads
from leadml.data.mapping import load_mapping as load_mapping
from leadml.data.read import read_leads as read_leads
from leadml.datasets.sample import make_leads as make_leads
from leadml.estimators.encoders import MappingEncoder as MappingEncoder
from leadml.estimators.encoders import RubricEncoder as RubricEncoder
from leadml.estimators.policy import PolicyClassifier as PolicyClassifier
from leadml.estimators.scorecard import ScorecardClassifier as ScorecardClassifier
from leadml.estimators.wide import WideCardClassifier as WideCardClassifier
from leadml.exceptions import InputError as InputError
from leadml.exceptions import LeadmlError as LeadmlError
from leadml.exceptions import TooFewDealsError as TooFewDealsError
from leadml.exceptions import UsageError as UsageError
from leadml.frameworks.catalog import list_frameworks as list_frameworks
from leadml.frameworks.catalog import list_policies as list_policies
from leadml.frameworks.catalog import load_framework as load_framework
from leadml.frameworks.catalog import load_policy as load_policy
from leadml.frameworks.model import Framework as Framework
from leadml.frameworks.model import Policy as Policy
from leadml.result import Result as Result
from leadml.scoring.explaining import explain as explain
from leadml.scoring.face import load_model as load_model
from leadml.scoring.face import predict as predict

__version__: str
__all__: list[str]
