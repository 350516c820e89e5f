import Testing

@testable import DeCLIP
