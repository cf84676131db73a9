//! What one validating policy says of a write, for one binding and parameter.

use super::budget::{EXPRESSIONS, Left, OutOfBudget};
use super::dispatch::Invocation;
use super::inputs::{Inputs, Values};
use super::subject::Write;
use super::validations::{Validation, Validations};
use crate::cel::Value;
use crate::status::Reason;

/// How long a message may be that an expression makes, in bytes.
const MAX_MESSAGE: usize = 5 * 1024;

/// What a policy says.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What it finds wrong.
    pub findings: Vec<Finding>,
    /// Notes for the audit log.
    pub notes: Vec<Note>,
}

/// Something that is wrong.
#[derive(Debug)]
pub struct Finding {
    /// Which of the policy's validations found it.
    pub index: usize,
    /// What.
    pub message: String,
    /// Why the request is refused.
    pub reason: Reason,
}

/// A note for the audit log.
#[derive(Debug)]
pub enum Note {
    /// It is noted.
    Publish {
        /// The end of its name.
        key: String,
        /// Its text.
        value: String,
    },
    /// Its expression failed, which matters.
    Failed(String),
}

impl Judgement {
    /// Something went wrong before the policy could say anything.
    pub fn failed(ignored: bool, message: String) -> Judgement {
        let finding = Finding {
            index: 0,
            message,
            reason: Reason::Invalid,
        };
        Judgement {
            findings: Vec::from_iter(Some(finding).filter(|_| !ignored)),
            notes: Vec::new(),
        }
    }
}

/// Asks a policy.
pub fn judge(
    invocation: &Invocation<'_, Validations>,
    write: &Write<'_>,
    values: &Values,
) -> Judgement {
    let policy = invocation.policy;
    let ignores = policy.ignores_failures;
    let applies = match policy.conditions.is_empty() {
        true => Ok(true),
        false => invocation
            .condition_values(write, values)
            .and_then(|values| policy.applies(&values)),
    };
    match applies {
        Ok(true) => {}
        Ok(false) => return Judgement::default(),
        Err(why) => return Judgement::failed(ignores, why),
    }
    let judged = findings(invocation, values).and_then(|findings| {
        let notes = notes(invocation, values)?;
        Ok(Judgement { findings, notes })
    });
    judged.unwrap_or_else(|OutOfBudget| Judgement::failed(ignores, OutOfBudget.to_string()))
}

/// What its validations find: all are evaluated first, then the messages of all.
fn findings(
    invocation: &Invocation<'_, Validations>,
    values: &Values,
) -> Result<Vec<Finding>, OutOfBudget> {
    let policy = invocation.policy;
    let inputs = Inputs::new(values, &policy.variables);
    let mut left = Left(EXPRESSIONS);
    let mut results = Vec::new();
    for validation in &policy.rules.validations {
        results.push(validation.expression.evaluate(&inputs, &mut left)?);
    }
    let mut findings = Vec::new();
    for (index, (validation, result)) in policy.rules.validations.iter().zip(results).enumerate() {
        let finding = |message, reason| Finding {
            index,
            message,
            reason,
        };
        match result {
            Ok(Value::Bool(true)) => {}
            Ok(_) => match message(validation, &inputs, &mut left) {
                Ok(message) => findings.push(finding(message, validation.reason)),
                Err(why) if !policy.ignores_failures => {
                    let message = format!("failed messageExpression: {why}");
                    findings.push(finding(message, Reason::Invalid));
                }
                Err(_) => {}
            },
            Err(why) if !policy.ignores_failures => findings.push(finding(why, Reason::Invalid)),
            Err(_) => {}
        }
    }
    Ok(findings)
}

/// What is said of a validation that does not hold: what its expression makes, if that is one line of some length; else its
/// message; else the validation itself.
fn message(
    validation: &Validation,
    inputs: &Inputs<'_>,
    left: &mut Left,
) -> Result<String, OutOfBudget> {
    if let Some(expression) = &validation.message_expression
        && let Ok(Value::String(made)) = expression.evaluate(inputs, left)?
    {
        let made = made.trim();
        if !made.is_empty() && made.len() <= MAX_MESSAGE && !made.contains('\n') {
            return Ok(made.to_owned());
        }
    }
    Ok(match validation.message.as_str() {
        "" => format!(
            "failed expression: {}",
            validation.expression.source().trim()
        ),
        message => message.to_owned(),
    })
}

fn notes(
    invocation: &Invocation<'_, Validations>,
    values: &Values,
) -> Result<Vec<Note>, OutOfBudget> {
    let policy = invocation.policy;
    let inputs = Inputs::new(values, &policy.variables);
    let mut left = Left(EXPRESSIONS);
    let mut notes = Vec::new();
    for annotation in &policy.rules.annotations {
        match annotation.expression.evaluate(&inputs, &mut left)? {
            Ok(Value::String(value)) if !value.trim().is_empty() => notes.push(Note::Publish {
                key: annotation.key.clone(),
                value: value.trim().to_owned(),
            }),
            Ok(_) => {}
            Err(why) if !policy.ignores_failures => notes.push(Note::Failed(why)),
            Err(_) => {}
        }
    }
    Ok(notes)
}
