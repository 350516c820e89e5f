/// The version of this library and its command lines.
public enum DeclipVersion {
  /// The version by semver.org.
  public static let current = "0.1.0"
}
