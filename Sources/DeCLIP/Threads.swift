import Foundation

/// How many threads to use.
public enum Threads {
  /// The processors that this process may run on, 1 or more.
  public static var available: Int { max(1, ProcessInfo.processInfo.activeProcessorCount) }
}
