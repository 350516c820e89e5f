import Testing

@testable import Importers
