"""Public names of airlsh, with the module of each: for type checkers, and for `lsh_core.__getattr__`."""

from lsh_core.elastic.connection import Connection as Connection
from lsh_core.errors import AccessError as AccessError
from lsh_core.errors import AirlshError as AirlshError
from lsh_core.errors import ArgumentError as ArgumentError
from lsh_core.errors import BusyError as BusyError
from lsh_core.errors import CapacityError as CapacityError
from lsh_core.errors import CertificateError as CertificateError
from lsh_core.errors import ChangesGoneError as ChangesGoneError
from lsh_core.errors import DagRunError as DagRunError
from lsh_core.errors import DeadLetterLimitError as DeadLetterLimitError
from lsh_core.errors import DeviceMemoryError as DeviceMemoryError
from lsh_core.errors import EncoderError as EncoderError
from lsh_core.errors import FeatureLimitError as FeatureLimitError
from lsh_core.errors import FeaturesError as FeaturesError
from lsh_core.errors import FilterError as FilterError
from lsh_core.errors import ImageError as ImageError
from lsh_core.errors import ImagesAwayError as ImagesAwayError
from lsh_core.errors import IndexTemplateError as IndexTemplateError
from lsh_core.errors import InputError as InputError
from lsh_core.errors import LeaseHeldError as LeaseHeldError
from lsh_core.errors import LeaseLostError as LeaseLostError
from lsh_core.errors import LoadError as LoadError
from lsh_core.errors import MissingPackageError as MissingPackageError
from lsh_core.errors import ModelMismatchError as ModelMismatchError
from lsh_core.errors import NotFoundError as NotFoundError
from lsh_core.errors import OutcomeError as OutcomeError
from lsh_core.errors import PartialAnswerError as PartialAnswerError
from lsh_core.errors import PluginError as PluginError
from lsh_core.errors import PromotionConflictError as PromotionConflictError
from lsh_core.errors import RequestRefusedError as RequestRefusedError
from lsh_core.errors import RowNotFoundError as RowNotFoundError
from lsh_core.errors import RunError as RunError
from lsh_core.errors import SchemaError as SchemaError
from lsh_core.errors import ServerError as ServerError
from lsh_core.errors import SettingsError as SettingsError
from lsh_core.errors import ShardsMissingError as ShardsMissingError
from lsh_core.errors import SourceChangedError as SourceChangedError
from lsh_core.errors import SourceError as SourceError
from lsh_core.errors import SourceMissingError as SourceMissingError
from lsh_core.errors import SourceUnavailableError as SourceUnavailableError
from lsh_core.errors import StackError as StackError
from lsh_core.errors import StoppedEarlyError as StoppedEarlyError
from lsh_core.errors import UnavailableError as UnavailableError
from lsh_core.errors import UnexpectedError as UnexpectedError
from lsh_core.errors import UnsupportedServerError as UnsupportedServerError
from lsh_core.errors import UnverifiedError as UnverifiedError
from lsh_core.errors import VectorError as VectorError
from lsh_core.errors import VerificationError as VerificationError
from lsh_core.errors import WeightsError as WeightsError
from lsh_core.jobs.builds import list_builds as list_builds
from lsh_core.jobs.builds import promote_build
from lsh_core.jobs.builds import rollback as rollback
from lsh_core.jobs.builds import show_build as show_build
from lsh_core.jobs.changes import delete as delete
from lsh_core.jobs.changes import upsert as upsert
from lsh_core.jobs.dead_letters import build_dead_letters
from lsh_core.jobs.dead_letters import replay_dead_letters as replay_dead_letters
from lsh_core.jobs.evaluate import evaluate as evaluate
from lsh_core.jobs.features import compute_features as compute_features
from lsh_core.jobs.index import run_index
from lsh_core.jobs.models import list_models as list_models
from lsh_core.jobs.models import show_model as show_model
from lsh_core.jobs.refresh import refresh_partition
from lsh_core.jobs.report import report as report
from lsh_core.jobs.retention import abandon as abandon
from lsh_core.jobs.retention import retire as retire
from lsh_core.jobs.services import Services as Services
from lsh_core.jobs.train import train as train
from lsh_core.local.connect import connect as connect
from lsh_core.local.connect import find_services as find_services
from lsh_core.search.query_encoder import QueryEncoder as QueryEncoder
from lsh_core.search.request import SearchRequest as SearchRequest
from lsh_core.search.results import Neighbour as Neighbour
from lsh_core.search.results import SearchResult as SearchResult
from lsh_core.search.vector_index import VectorIndex as VectorIndex
from lsh_core.settings import AbandonSettings as AbandonSettings
from lsh_core.settings import DeleteSettings as DeleteSettings
from lsh_core.settings import EvaluateSettings as EvaluateSettings
from lsh_core.settings import FeaturesSettings as FeaturesSettings
from lsh_core.settings import IndexSettings as IndexSettings
from lsh_core.settings import PromoteSettings as PromoteSettings
from lsh_core.settings import RefreshSettings as RefreshSettings
from lsh_core.settings import ReplaySettings as ReplaySettings
from lsh_core.settings import ReportSettings as ReportSettings
from lsh_core.settings import RetireSettings as RetireSettings
from lsh_core.settings import RollbackSettings as RollbackSettings
from lsh_core.settings import SearchSettings as SearchSettings
from lsh_core.settings import TrainSettings as TrainSettings
from lsh_core.settings import UpsertSettings as UpsertSettings
from lsh_core.version import __version__ as __version__

promote = promote_build
list_dead_letters = build_dead_letters
index = run_index
refresh = refresh_partition
