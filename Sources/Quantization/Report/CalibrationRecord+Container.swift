import Container
import Model

extension CalibrationRecord {
  /// The record that a file holds, validated.
  ///
  /// Throws `usage` where the file holds none, `badData` naming the file where it is damaged or not
  /// what this tool understands.
  public init(of file: ContainerFile) throws(DeclipError) {
    guard let record = try file.calibration(as: CalibrationRecord.self) else {
      throw DeclipError(
        .usage, "holds no record of a calibration", file: file.path,
        expected: "a file that declip-quant calibrate wrote")
    }
    do throws(DeclipError) {
      try record.validate()
    } catch {
      throw error.inFile(file.path)
    }
    self = record
  }
}
