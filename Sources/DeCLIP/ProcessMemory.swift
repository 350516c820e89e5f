import Foundation

/// The physical memory of this process, as the system counts it.
public enum ProcessMemory {
  /// The most bytes that were ever resident; nil where the system does not tell.
  ///
  /// Taken from `VmHWM`, which starts anew with the program: `getrusage` goes on counting what the
  /// process that started this one held.
  public static var peak: UInt64? { bytes("VmHWM:") }

  /// The bytes that are resident now; nil where the system does not tell.
  public static var resident: UInt64? { bytes("VmRSS:") }

  private static func bytes(_ name: String) -> UInt64? {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix(name) }),
      let kilobytes = line.split(separator: " ").dropLast().last.flatMap({ UInt64($0) })
    else { return nil }
    return kilobytes * 1024
  }
}
